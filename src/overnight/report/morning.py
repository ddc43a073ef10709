"""The morning report: what was kept, what was learned, how it was decided, what to do next. In markdown.

Words from candidates (titles, reasons) are data: one bounded line each, inside a code span, where no markdown or HTML
has a meaning.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from overnight.audit.arithmetic import Audit
from overnight.errors import ExtraMissing, extra
from overnight.lab.experiment import GUARDED
from overnight.lab.state import State
from overnight.referee.holdout import CARRIED, DENIED, UNCHECKED
from overnight.referee.kinds import KINDS as METRIC_KINDS
from overnight.report import audit as audited
from overnight.report.tables import TITLE, headline, levels, plain, results_tsv
from overnight.track.units import number
from overnight.views import further, holdout, points
from overnight.views.experiment import ExperimentView, History, effect, history, look_first, proposer
from overnight.views.ladder import RungView
from overnight.views.ladder import told as rung_told
from overnight.views.track import ONE_SEED, PLAIN, TrackView, divided, duration, gain, noise_by_commit, span
from overnight.views.track import explored as what_was_explored
from overnight.views.verdict import VerdictView

EXAMPLES = 5  # experiments named in each group of what was learned
REASONS = 8  # different reasons of crashes that are named
NUMBERS = 6  # experiments named beside one reason
WARNINGS = {
    "self-reported": "The candidates' own output is the metric, or the scorer runs what they leave, so a candidate could write "
                     "whatever it likes. Add a `[score]` that only reads data before you believe a number.",
    ONE_SEED: "The program fixes its own seed, so every run drew the same luck, and a change that is merely lucky looks "
              "better. Connect `$OVERNIGHT_SEED` (`overnight init --seed` does it), commit, and begin anew before you "
              "believe a number.",
    "unsandboxed": "Runs had the rights of the user that started them: "
                   "they could read the answers and change this machine.",
    "estimated guards": "CPU time and memory under guard were looked at ten times a second, because nothing could count them: "
                        "a candidate can make them look smaller than they are.",
}


class ReportFiles(NamedTuple):
    """The files that a report consists of, and one sentence on what to install for those that are missing ("" if none are)."""

    paths: list[Path]
    missing: str = ""


def write(state: State, folder: Path, audit: Audit | None = None) -> ReportFiles:
    """Write results.tsv, report.md, progress.svg and progress.png into a folder; without the extra `charts` the first two."""
    folder.mkdir(parents=True, exist_ok=True)
    table, report, svg, png = paths = [folder / name for name in ("results.tsv", "report.md", "progress.svg", "progress.png")]
    told = history(state)
    table.write_text(results_tsv(told), encoding="utf-8")
    try:
        with extra("charts", "drawing the report's pictures"):
            from overnight.report import chart  # takes half a second
    except ExtraMissing as error:
        report.write_text(report_md(told, "", audit), encoding="utf-8")
        return ReportFiles(paths[:2], str(error))
    report.write_text(report_md(told, png.name, audit), encoding="utf-8")
    chart.draw(told, svg, png)
    return ReportFiles(paths)


def report_md(told: History, chart_name: str = "", audit: Audit | None = None) -> str:
    """The report with the chart of that name, where there is one, and with the audit where there was one."""
    track = told.track
    parts = [*_head(told), f"![{prose(headline(track))}]({chart_name})" if chart_name else ""]
    if told.experiments:
        parts += [*_kept(told), *_overfitting(track), *_audit(track, audit), *_further(track), *_ladder(told)]
    parts += _explored(told)
    if told.experiments:
        parts += [*_learned(told), *_ended(told, "crash", "Crashed"), *_ended(told, "foul", "Out of bounds")]
    parts += [*_by_researcher(told), *_decided(track), *_cost(track), *_next(told)]
    return "\n\n".join(part for part in parts if part) + "\n"


# ---- words from outside ----------------------------------------------------------------------------------------


def code(text: str, most: int = TITLE) -> str:
    """Words from outside as a code span that they cannot leave; a pipe, which would cut a table's cell, becomes ¦."""
    line = plain(text, most).replace("|", "¦")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if len(fence) > 1 else f"`{line}`" if line else "–"


def prose(text: str, most: int = 300) -> str:
    """Words of the contract as text: without markup or HTML of their own."""
    line = plain(text, most).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"[\\`*{}\[\]#|~!]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", line)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---" if name[:1].isalpha() else "---:" for name in head], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def _unit(track: TrackView) -> str:
    return f" {prose(track.unit, 24)}" if track.unit else ""


# ---- the headline ----------------------------------------------------------------------------------------------


def _head(told: History) -> list[str]:
    track = told.track
    where = f" It is fixed in {', '.join(code(place) for place in track.fixed_seeds)}."
    warnings = [f"> **{mark}**: {WARNINGS[mark]}{where * (mark == ONE_SEED)}" for mark in track.marks]
    title = f"# {prose(headline(track))}"
    return [title, prose(track.goal) if track.goal else "", "\n>\n".join(warnings), _gain(told), _limits(track), _effort(track)]


def _gain(told: History) -> str:
    track, (first, now) = told.track, levels(told.track)
    if track.baseline is None:
        return "The baseline was not measured."
    better = "lower" if track.direction == "minimize" else "higher"
    if not told.kept:
        return f"Nothing was kept: {code(track.metric)} stays at {first}{_unit(track)} ({better} is better)."
    if track.kept == 1:
        composed = "The gain was measured on fresh seeds against the baseline, run by run"
    else:
        how = "the sum of the" if track.ratio is None else "the product of the ratios of the"
        composed = (f"The gain is {how} {track.kept:,} keeps below, each measured on fresh seeds against the commit before it, "
                    "run by run")
    beware = ", on which the program drew as on any other" * (ONE_SEED in track.marks)
    return (f"**{code(track.metric)} measured {first}{_unit(track)} at the baseline and {now} at the frontier: "
            f"{prose(gain(track))}**; {better} is better. Those are means of {_count(track.baseline_runs, 'run')} and of "
            f"{track.frontier_runs:,}. {composed}{beware}.")


def _limits(track: TrackView) -> str:
    said = prose(track.limits.sentence) if track.limits else ""
    return f"{said[0].upper()}{said[1:]}." if said else ""


def _effort(track: TrackView) -> str:
    counts = [f"{getattr(track, word):,} {word}" for word in PLAIN.values()]
    counts += [f"{track.open:,} still open"] if track.open else []
    lasted = f" in {duration(track.seconds)}" if track.seconds else ""
    sentences = [f"{_count(track.experiments, 'experiment')} ({', '.join(counts)}) took {_count(track.runs, 'run')}{lasted}."]
    if track.explored:
        sentences.append(f"{track.explored_runs:,} of those runs explored {_count(track.explored, 'point')}, which claim "
                         "nothing and have no verdict.")
    if track.sandbox:
        sentences.append(f"Sandbox: {prose(track.sandbox)}.")
    if track.faults:
        sentences.append(f"{_count(track.faults, 'fault')} of the machine counted against no researcher.")
    if track.baseline_failed and not track.problem:
        sentences.append(f"The baseline itself failed on {track.baseline_failed:,} of {track.baseline_tried:,} seeds, which "
                         "were left out; a change may fail about as often.")
    if track.lost_to_load:
        sentences.append(f"{_count(track.lost_to_load, 'run')} did not count, because other work overloaded the machine then.")
    if track.problem:
        sentences.append(f"The night ended early: {code(track.problem, 300)}.")
    return " ".join(sentences)


# ---- what came of it -------------------------------------------------------------------------------------------


def _kept(told: History) -> list[str]:
    if not told.kept:
        return []
    first, _ = levels(told.track)
    decimals = len(first.partition(".")[2]) if "e" not in first else 0
    timed = METRIC_KINDS[told.track.kind].paired_in_time
    head = ("#", "commit", "what", "better by (95 % interval)", "pairs (fresh)",
            f"{code(told.track.metric, 32)} measured (runs)")
    rows = []
    for each in told.kept:
        by = proposer(each, told.team)
        what = f"{code(each.title)} by {code(by, 40)}" if by else code(each.title)
        what += each.marked
        pairs = f"{each.verdict.pairs} ({each.verdict.fresh_pairs})"
        ratio = f", ratio {each.ratio:.3g}" if timed and each.ratio else ""
        level = "–" if each.level is None else f"{each.level:.{decimals}f} ({each.measured})"
        rows.append((str(each.id), f"`{each.commit[:7]}`", what, _effect(each) + ratio, pairs, level))
    leaps = look_first(told.kept)
    return ["## What was kept", _table(head, rows), *filter(None, [leaps and f"{leaps[0].upper()}{leaps[1:]}."])]


def _effect(found: ExperimentView) -> str:
    return _round(effect(found))


def _round(shown: str) -> str:
    return shown.replace("[", "(").replace("]", ")").replace("-", "−")


def _overfitting(track: TrackView) -> list[str]:
    """The overfitting monitor, and each question to the holdout."""
    found = track.holdout
    if found is None:
        return []
    said = holdout.sentence(found, track.unit)
    head = ("#", "verdict", "better by", "on the holdout", "carries over so far")
    text = f"{prose(said[:1].upper() + said[1:])}. {holdout.PRIVATE} {holdout.advice(found)}".rstrip()
    return ["## Overfitting", text, _table(head, _asked(found)) if found.questions else ""]


def _asked(found: holdout.HoldoutView) -> Iterator[tuple[str, ...]]:
    """A row for each question to the holdout, with the share of all keeps so far that carries over."""
    here = there = 0.0
    for asked in found.questions:
        if asked.kept:
            here, there = here + asked.scorer, there + (asked.holdout or 0.0)
        held = "no number" if asked.holdout is None else span(asked.holdout, None)
        yield (str(asked.experiment), "keep" if asked.kept else "discard", _round(span(asked.scorer, None)), _round(held),
               holdout.percent(there / here if here > 0 else None))


def _audit(track: TrackView, audit: Audit | None) -> list[str]:
    if audit is None:
        return []
    head = ("what", "claimed (95 % interval)", "measured again", "verdict")
    rows = [(f"{name} {code(title)}" if title else name, _round(claimed), _round(found), verdict)
            for name, title, claimed, found, verdict in audited.rows(audit)]
    failed = [f"{count} failed{f': {code(reason, 200)}' if reason else ''}." for count, reason in audited.failures(audit)]
    marks = "".join(f" ({mark})" for mark in audit.plan.marks)
    return ["## Audit", f"What was kept was measured again on {len(audit.plan.seeds)} seeds that the night had never used, in "
            f"{_count(len(audit.runs), 'run')}{marks}. The effect of a keep is what the frontier loses without it, in"
            f"{_unit(track) or ' the metric'}; positive is better.", _table(head, rows),
            " ".join([*failed, *audited.sentences(audit)])]


def _further(track: TrackView) -> list[str]:
    """What further metrics say of each keep, and what was suggested."""
    found, said = track.further, list(further.lines(None, track.suggestions))
    if found is None:
        return ["## Further metrics", *(f"{prose(text[:1].upper() + text[1:])}." for text in said)] if said else []
    head = ("#", *(code(each.further.metric, 32) for each in found.found))
    cells: dict[int, list[str]] = defaultdict(list)
    for each in found.found:
        for keep in each.keeps:
            cells[keep.experiment].append(_round(span(keep.effect, keep.interval)) + " **disowned**" * bool(keep.disowned))
    rows = [(str(number), *shown) for number, shown in cells.items()]
    why = [f"- {prose(text, 400)}" for text in (*further.lines(found, track.suggestions),)]
    return ["## Further metrics", f"They decided nothing. What was kept was measured by them afterwards, on {found.seeds} "
            "fresh seeds for each commit, beside the commit before it (better by, with a 95 % interval); the scorer is that of "
            f"{code(found.commit[:7])}.",
            _table(head, rows), "\n".join(why)]


def _ladder(told: History) -> list[str]:
    """What became of each keep on larger rungs."""
    rungs = told.track.ladder
    if not rungs:
        return []
    rows = [(str(keep.id), code(keep.title), *(_on(rung, keep.id) for rung in rungs)) for keep in told.kept]
    branches = ", ".join(code(rung.branch) for rung in rungs)
    return ["## On larger rungs", "The same changes, judged by the same referee at larger sizes "
            f"(better by{_unit(told.track)}, with a 95 % interval, where a change was tried by itself). A change that does not "
            f"hold helps at the smaller size only; what holds on a rung is on its branch: {branches}.",
            _table(("#", "what", *(f"{code(rung.rung)} ({rung.size:g} x)" for rung in rungs)), rows)]


def _on(rung: RungView, keep: int) -> str:
    parts = [each for each in rung.carried if each.experiment == keep]
    return code("; ".join(f"{f'{each.title}: ' if len(parts) > 1 else ''}{rung_told(each, '')}" for each in parts), 600) or "–"


def _explored(told: History) -> list[str]:
    """What single runs found: the points of which most was expected or measured. The best of many runs is a lucky one, which
    is why nothing rests on them."""
    track = told.track
    if not told.points:
        return []
    said = what_was_explored(track)
    ran = sorted((p for p in told.points if p.gain is not None), key=lambda p: -(p.gain or 0.0))
    raced = [p for p in ran if p.experiment is not None]
    shown = sorted(dict.fromkeys([*(p for p in ran if track.lead and p.point == track.lead.point), *raced[:EXAMPLES],
                                  *ran[:EXAMPLES]]), key=lambda p: -(p.gain or 0.0))
    rows = [(str(p.point), code(p.title), _round(number(p.gain, 3, 0.0, "+")),
             _round(points.about(*p.expected)) if p.expected else "–", f"#{p.experiment}" if p.experiment else "–")
            for p in shown]
    failed = sum(p.state == "failed" for p in told.points)
    crashed = f" {failed:,} of the runs failed." if failed else ""
    head = ("point", "what", "better by in its one run", "was expected", "raced as")
    return ["## What was explored", f"{prose(said[:1].upper() + said[1:])}.{crashed} Each is one run beside one of the commit "
            f"that it stands on{f', in{_unit(track)}' * bool(track.unit)}. The best of many runs were lucky too, so "
            "what is thought best is raced and proven as an experiment, on fresh seeds. `overnight log --explored` lists all.",
            *([_table(head, rows)] if rows else [])]


def _learned(told: History) -> list[str]:
    groups: dict[str, list[ExperimentView]] = defaultdict(list)
    for experiment in told.experiments:
        if experiment.verdict.verdict == "discard":
            groups[_kind(experiment.verdict)].append(experiment)
    head = ("#", "what", "better by (95 % interval)", "pairs", "why it was discarded")
    parts = ["## What was learned"] if groups else []
    for kind in KINDS:
        if found := sorted(groups[kind], key=_promise):
            more = f", of which {EXAMPLES}" if len(found) > EXAMPLES else ""
            rows = [(str(e.id), code(e.title), _effect(e), str(e.verdict.pairs), code(e.verdict.reason))
                    for e in found[:EXAMPLES]]
            parts += [f"**{kind}**: {_count(len(found), 'experiment')}{more}:", _table(head, rows)]
    return parts


def _promise(found: ExperimentView) -> tuple[float, float, int]:
    """The most promising first, and the largest effect where nothing is known of that."""
    finding = found.verdict.finding
    return -(finding.chance if finding else 0.0), -abs(found.verdict.effect or 0.0), found.id


def _kind(verdict: VerdictView) -> str:
    """What a discarded experiment teaches; one of KINDS."""
    if verdict.reason.startswith(GUARDED):
        return GUARD
    if verdict.reason in (DENIED, UNCHECKED):
        return OVERFIT
    if verdict.finding is not None:
        return {"promising": PROMISING, "worse": WORSE}.get(verdict.finding.word, NEUTRAL)
    if verdict.effect is None:
        return TOGETHER if verdict.word else UNKNOWN
    low, high = verdict.interval or (-abs(verdict.effect), abs(verdict.effect))
    if high < 0:
        return WORSE
    if verdict.fresh_pairs:
        return SMALL if low > 0 else FADED
    return NEUTRAL


PROMISING = "Promising, not proven"
WORSE, NEUTRAL = "Made it worse", "Made no difference that could be seen"
SMALL, FADED = "Better, but by less than is worthwhile", "Looked better, but not on fresh seeds"
GUARD, TOGETHER, UNKNOWN = "Broke a guard", "Only looked at together with others, which did not win", "Never compared"
OVERFIT = "Better, but not on the holdout"
KINDS = (PROMISING, SMALL, FADED, OVERFIT, NEUTRAL, WORSE, GUARD, TOGETHER, UNKNOWN)


def _ended(told: History, verdict: str, title: str) -> list[str]:
    """Crashes or fouls by their reasons, the most frequent first."""
    groups: dict[str, list[int]] = defaultdict(list)
    for experiment in told.experiments:
        if experiment.verdict.verdict == verdict:
            groups[code(experiment.verdict.reason, 200)].append(experiment.id)
    if not groups:
        return []
    ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[1]))
    rows = [(str(len(ids)), reason, ", ".join(map(str, ids[:NUMBERS])) + ", …" * (len(ids) > NUMBERS))
            for reason, ids in ranked[:REASONS]]
    rest = f"{_count(len(ranked) - REASONS, 'other reason')} in `overnight log`." if len(ranked) > REASONS else ""
    return [f"## {title}", _table(("#", "reason", "experiments"), rows), rest]


# ---- how, what it cost, what next ------------------------------------------------------------------------------


def _decided(track: TrackView) -> list[str]:
    noise = asked = ""
    if track.noise is not None:
        noise = " The same code and seed give the same number twice." if track.deterministic else ""
        noise += f" Here one pair's difference spreads by ±{number(track.noise, 2, track.baseline or 0.0)}{_unit(track)}."
    if found := noise_by_commit(track):
        noise += f" {prose(found[0].upper() + found[1:], 500)}."
    if track.explored:
        noise += " Researchers that need no time explored by single runs first, and had only what they thought best judged so."
    if track.audit == "confirm":
        noise += " The scorer audits what is about to be kept for cheating, not what is only raced or explored."
    if track.holdout is not None:
        asked = (f" At last, {100 * CARRIED:.0f} % of the gain must be found on a holdout that no candidate and no researcher "
                 "ever sees.")
    return ["## How it was decided", " ".join([
        "A change and the commit that it stands on are run with the same seed, so that luck which both share cancels",
        f"out: that is a pair, and its difference says more than two scores.{noise} After each pair the referee",
        "drops a change that is unlikely to succeed, and so saves its runs for others. A change that looks",
        f"better must show it again on at least {track.least_fresh_pairs} seeds that were drawn after its commit existed, and",
        f"these alone prove it: it is kept when their evidence is strong enough (now {track.evidence_wanted:.3g} to 1: more",
        f"after claims that failed, so that at most {100 * track.false_share:g} % of what is kept is false).{asked}",
        "While most changes are worth nothing, several are stacked in one run, and looked at one by one only if together",
        "they win. No candidate and no language model has a say in that.",
    ])]


def _by_researcher(told: History) -> list[str]:
    """Experiments by researcher, and the cost of calls to models; nothing where one researcher proposed all without models."""
    models = told.track.models
    names = list(dict.fromkeys([*told.team, *(point.researcher for point in told.points), *models]))
    if len(names) < 2 and not models:
        return []
    rows = [_row(told, name) for name in names]
    head = ["researcher", "experiments", "kept", "gain", "calls", "tokens", "dollars"]
    if told.points:
        made = Counter(point.researcher for point in told.points)
        rows = [[*row[:2], f"{made[name]:,}", *row[2:]] for name, row in zip(names, rows, strict=True)]
        head.insert(2, "explored")
    return ["## Results by researcher", _table(head, rows)]


def _row(told: History, name: str) -> list[str]:
    mine = [e for e in told.experiments if e.researcher == name]
    kept = [e for e in told.kept if e.researcher == name]
    use = told.track.models.get(name)
    gain = f"{sum(e.verdict.effect or 0.0 for e in kept):+.3g}" if kept else "–"
    dollars = "unknown" if use and use.dollars is None else f"{use.dollars if use else 0:.4f}"
    paid = [f"{use.calls:,}", f"{use.tokens:,}", dollars] if use else ["–"] * 3
    return [code(name, 60), f"{len(mine):,}", f"{len(kept):,}", gain, *paid]


def _cost(track: TrackView) -> list[str]:
    if not track.runs:
        return []
    parts = track.overhead_parts_ms
    harness = f", and {sum(parts.values()):.3g} ms of Overnight's own work" if parts else ""
    most = sorted(parts.items(), key=lambda part: -part[1])[:3]
    named = f" (most of it: {', '.join(f'{prose(name)} {ms:.3g} ms' for name, ms in most)})" if most else ""
    share = track.busy_share
    busy = "" if share is None else f" Places were busy with runs {100 * share:.0f} % of the time."
    apart = f" {split[0].upper()}{split[1:]}." if (split := divided(track.run_seconds)) else ""
    return ["## What it cost", f"One run took {track.busy_seconds / track.runs:.3g} s{harness}{named}.{apart}{busy}"]


def _next(told: History) -> list[str]:
    chosen = (told.kept or told.experiments)[-1:]
    rows = [(f"overnight show {each.id}", "diff, runs and evidence of one experiment") for each in chosen]
    if told.kept:
        rows += [("overnight audit", "measure what was kept again, on fresh seeds"),
                 (f"git diff {told.track.base_commit[:7]}..{plain(told.track.branch, 90)}", "all that was kept, as one diff"),
                 ("overnight merge", "take it into the branch that is checked out")]
    rows.append(("overnight run", "go on from here"))
    width = max(len(command) for command, _ in rows)
    return ["## Next", "```sh\n" + "\n".join(f"{command:{width}}  # {why}" for command, why in rows) + "\n```"]
