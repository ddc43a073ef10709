"""The list of experiments: filtered, sorted, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from markupsafe import Markup

from overnight.report.svg.axes import Scale
from overnight.report.svg.intervals import axis_row, common, interval
from overnight.views.causes import WORDS
from overnight.views.experiment import ExperimentView
from overnight.views.rows import Listed, rows
from overnight.web.choosing import VERDICTS, Choice, choice, chosen, counts, part
from overnight.web.fragments import places, times
from overnight.web.frame import framed
from overnight.web.rendering import name
from overnight.web.seen import Seen

SORTS = (("-number", "newest first"), ("number", "oldest first"), ("-effect", "best first"), ("effect", "worst first"),
         ("-evidence", "most evidence first"), ("-pairs", "most pairs first"), ("by", "by researcher"))
MOST = 0.9  # share of the effects that the axis holds in any case
Options = tuple[str, str, list[tuple[str, str, int]]]
ASKED: dict[str, Callable[[Listed], str]] = {  # what the chips and menus above the list count
    "verdict": lambda each: each.verdict.verdict, "cause": lambda each: each.cause, "researcher": lambda each: each.researcher,
    "role": lambda each: each.role, "idea": lambda each: str(each.idea or ""),
}


def experiments(seen: Seen, asked: Mapping[str, str]) -> str:
    """The page of all experiments, or of those that are asked for."""
    every, wanted = seen.history.experiments, choice(asked)
    axis, many = seen.once("list", lambda: (_axis(every), counts(every, ASKED)))
    found, worth = part(wanted, chosen(wanted, every)), seen.state.track.metric.worthwhile
    return framed(
        seen, "experiments.html", "Experiments", "experiments", total=len(every), choice=wanted, part=found,
        by_verdict=[(kind, many["verdict"][kind]) for kind in VERDICTS if kind in many["verdict"]], selects=_selects(many),
        asked=asdict(wanted), sorts=SORTS, kept=_kept(wanted), places=places(seen),
        narrowed=bool(wanted.verdict or wanted.cause or wanted.researcher or wanted.role or wanted.idea or wanted.q),
        waiting={each.id: waiting(each) for each in found.shown}, times=times(seen, found.shown, proposed=True),
        axis=Markup(axis_row(axis)), rows={each.id: _drawn(axis, each, worth) for each in found.shown})


def _axis(every: Sequence[ExperimentView]) -> Scale:
    """The axis on which all effects of a track are drawn, whatever part of them a page shows: it holds what was kept, and most
    of the others; an arrow stands for what lies beyond it."""
    sizes, kept = list[float](), list[float]()
    for found in (each.verdict for each in rows(every)):
        if found.effect is not None:
            sizes.append(abs(found.effect))
        if found.verdict == "keep":
            kept.extend(found.interval or ())
    sizes.sort()
    return common([*kept, *sizes[:max(1, int(MOST * len(sizes)))]], even=True)


def _drawn(axis: Scale, each: ExperimentView, worthwhile: float) -> Markup:
    """The interval of an experiment on it; nothing where it has no effect."""
    verdict = each.verdict
    if verdict.effect is None:
        return Markup("")
    return Markup(interval(axis, verdict.effect, verdict.interval, "night" if verdict.verdict == "keep" else "", worthwhile))


def waiting(each: ExperimentView) -> str:
    """What an open experiment waits for."""
    if each.verdict.verdict != "open":
        return ""
    if each.verdict.fresh_pairs:
        return "on fresh seeds"
    return "in the race" if each.verdict.pairs else "waiting for its first run"


def _selects(found: Mapping[str, Mapping[str, int]]) -> list[Options]:
    """The menus above the list: only those between whose entries there is a choice."""
    causes = [(code, WORDS.get(code, code), many) for code, many in found["cause"].items()]  # type: ignore[call-overload]
    people = [(each, name(each), many) for each, many in found["researcher"].items()]
    roles = [(each, name(each), many) for each, many in found["role"].items()]
    ideas = [(each, f"idea {each}", many) for each, many in found["idea"].items()]
    menus = [("cause", "why it was not kept", causes), ("researcher", "any researcher", people), ("role", "any role", roles),
             ("idea", "any idea", ideas)]
    return [menu for menu in menus if len(menu[2]) > 1 or (menu[2] and menu[0] in ("cause", "idea"))]


def _kept(wanted: Choice) -> list[tuple[str, str]]:
    """What a form in the page passes on."""
    known = {"verdict": ",".join(wanted.verdict), "cause": wanted.cause, "researcher": wanted.researcher, "role": wanted.role,
             "idea": str(wanted.idea or ""), "q": wanted.q, "sort": wanted.sort}
    return [(key, value) for key, value in known.items() if value]
