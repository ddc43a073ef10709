"""The list of experiments: filtered, sorted, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from markupsafe import Markup

from overnight.report.svg.axes import Scale
from overnight.report.svg.intervals import axis_row, common, interval
from overnight.views.causes import WORDS
from overnight.views.experiment import ExperimentView
from overnight.web.choosing import VERDICTS, Choice, choice, chosen, counts, part
from overnight.web.fragments import places, times
from overnight.web.frame import framed
from overnight.web.rendering import name
from overnight.web.seen import Seen

SORTS = (("-number", "newest first"), ("number", "oldest first"), ("-effect", "best first"), ("effect", "worst first"),
         ("-evidence", "most evidence first"), ("-pairs", "most pairs first"), ("by", "by researcher"))
MOST = 0.9  # share of the effects that the axis holds in any case
Options = tuple[str, str, list[tuple[str, str, int]]]


def experiments(seen: Seen, asked: Mapping[str, str]) -> str:
    """The page of all experiments, or of those that are asked for."""
    every, wanted = seen.history.experiments, choice(asked)
    found, axis, worth = part(wanted, chosen(wanted, every)), _axis(every), seen.state.track.metric.worthwhile
    return framed(
        seen, "experiments.html", "Experiments", "experiments", total=len(every), choice=wanted, part=found,
        by_verdict=[(kind, many) for kind in VERDICTS if (many := counts(every, _verdict).get(kind))],
        selects=_selects(every), asked=asdict(wanted), sorts=SORTS, kept=_kept(wanted), places=places(seen),
        narrowed=bool(wanted.verdict or wanted.cause or wanted.researcher or wanted.role or wanted.idea or wanted.q),
        waiting={each.id: waiting(each) for each in found.shown}, times=times(seen, found.shown, proposed=True),
        axis=Markup(axis_row(axis)), rows={each.id: _drawn(axis, each, worth) for each in found.shown})


def _axis(every: Sequence[ExperimentView]) -> Scale:
    """The axis on which all effects of a track are drawn, whatever part of them a page shows: it holds what was kept, and most
    of the others; an arrow stands for what lies beyond it."""
    sizes = sorted(abs(each.verdict.effect) for each in every if each.verdict.effect is not None)
    kept = [end for each in every if each.verdict.verdict == "keep" for end in each.verdict.interval or ()]
    return common([*kept, *sizes[:max(1, int(MOST * len(sizes)))]], even=True)


def _drawn(axis: Scale, each: ExperimentView, worthwhile: float) -> Markup:
    """The interval of an experiment on it; nothing where it has no effect."""
    verdict = each.verdict
    if verdict.effect is None:
        return Markup("")
    return Markup(interval(axis, verdict.effect, verdict.interval, "night" if verdict.verdict == "keep" else "", worthwhile))


def _verdict(each: ExperimentView) -> str:
    return each.verdict.verdict


def waiting(each: ExperimentView) -> str:
    """What an open experiment waits for."""
    if each.verdict.verdict != "open":
        return ""
    if each.verdict.fresh_pairs:
        return "on fresh seeds"
    return "in the race" if each.verdict.pairs else "waiting for its first run"


def _selects(every: Sequence[ExperimentView]) -> list[Options]:
    """The menus above the list: only those between whose entries there is a choice."""
    causes = [(code, WORDS.get(code, code), many) for code, many in counts(every, lambda e: e.cause).items()]  # type: ignore[call-overload]
    people = [(each, name(each), many) for each, many in counts(every, lambda e: e.researcher).items()]
    roles = [(each, name(each), many) for each, many in counts(every, lambda e: e.role).items()]
    ideas = [(each, f"idea {each}", many) for each, many in counts(every, lambda e: str(e.idea or "")).items()]
    menus = [("cause", "why it was not kept", causes), ("researcher", "any researcher", people), ("role", "any role", roles),
             ("idea", "any idea", ideas)]
    return [menu for menu in menus if len(menu[2]) > 1 or (menu[2] and menu[0] in ("cause", "idea"))]


def _kept(wanted: Choice) -> list[tuple[str, str]]:
    """What a form in the page passes on."""
    known = {"verdict": ",".join(wanted.verdict), "cause": wanted.cause, "researcher": wanted.researcher, "role": wanted.role,
             "idea": str(wanted.idea or ""), "q": wanted.q, "sort": wanted.sort}
    return [(key, value) for key, value in known.items() if value]
