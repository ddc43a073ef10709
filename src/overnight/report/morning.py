"""The morning report in markdown: the night in a sentence, four answers, what was kept and what failed, how it was decided,
what to do next. `page.py` says the same as a page.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from overnight.audit.arithmetic import Audit
from overnight.referee.holdout import CARRIED
from overnight.referee.kinds import KINDS as METRIC_KINDS
from overnight.report import audit as audited
from overnight.report import learned
from overnight.report.content import Report, commands, finding_cost, next_steps
from overnight.report.markdown import code, count, prose, rounded, table, unit
from overnight.report.tables import headline, levels
from overnight.track.units import number
from overnight.views import further as afterwards
from overnight.views import holdout, points
from overnight.views.experiment import ExperimentView, History, effect, look_first, proposer
from overnight.views.ladder import RungView
from overnight.views.ladder import told as rung_told
from overnight.views.track import ONE_SEED, PLAIN, TrackView, divided, duration, gain, noise_by_commit, span
from overnight.views.track import explored as what_was_explored

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


def report_md(report: Report, chart_name: str = "") -> str:
    """The report with the chart of that name, where there is one."""
    told, track = report.told, report.told.track
    parts = [*_head(report), f"![{prose(headline(track))}]({chart_name})" if chart_name else ""]
    if told.experiments:
        parts += [*_kept(told), *overfitting(track), *_audit(track, report.audit), *further(track), *ladder(told)]
    parts += explored(told)
    if told.experiments:
        parts += [*_learned(told), *_ended(told, "crash", "Crashed"), *_ended(told, "foul", "Out of bounds")]
    parts += [*by_researcher(told), *decided(track), *cost(track), *_next(report), *_check(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


# ---- the headline ----------------------------------------------------------------------------------------------


def _head(report: Report) -> list[str]:
    told, track = report.told, report.told.track
    where = f" It is fixed in {', '.join(code(place) for place in track.fixed_seeds)}."
    warnings = [f"> **{mark}**: {WARNINGS[mark]}{where * (mark == ONE_SEED)}" for mark in track.marks]
    title = f"# {prose(headline(track))}"
    said = report.headline
    marks = "".join(f" ({mark})" for mark in said.marks)
    return [title, f"**{prose(said.sentence)}**{marks}.", prose(track.goal) if track.goal else "", "\n>\n".join(warnings),
            _answers(report), _gain(told), limits(track), effort(track)]


def _answers(report: Report) -> str:
    """The four answers."""
    rows = []
    for each in report.answers:
        lines = each.lines
        if each.keeps:
            named = (f"#{number} {line}" for number, line in zip(each.keeps, lines, strict=False))
            lines = (*named, *lines[len(each.keeps):])
        parts = [*(rounded(prose(line)) for line in lines), f"**{each.doubt}**" if each.doubt else "",
                 f"`{each.command}`" if each.command else ""]
        rows.append((each.question, rounded(prose(each.answer)), "; ".join(part for part in parts if part)))
    return table(("question", "answer", "more"), rows)


def _gain(told: History) -> str:
    track, (first, now) = told.track, levels(told.track)
    if track.baseline is None:
        return "The baseline was not measured."
    better = "lower" if track.direction == "minimize" else "higher"
    if not told.kept:
        return f"Nothing was kept: {code(track.metric)} stays at {first}{unit(track)} ({better} is better)."
    if track.kept == 1:
        composed = "The gain was measured on fresh seeds against the baseline, run by run"
    else:
        how = "the sum of the" if track.ratio is None else "the product of the ratios of the"
        composed = (f"The gain is {how} {track.kept:,} keeps below, each measured on fresh seeds against the commit before it, "
                    "run by run")
    beware = ", on which the program drew as on any other" * (ONE_SEED in track.marks)
    return (f"**{code(track.metric)} measured {first}{unit(track)} at the baseline and {now} at the frontier: "
            f"{prose(gain(track))}**; {better} is better. Those are means of {count(track.baseline_runs, 'run')} and of "
            f"{track.frontier_runs:,}. {composed}{beware}.")


def limits(track: TrackView) -> str:
    """What could not have been found under the noise; "" where there is nothing to say of that."""
    said = prose(track.limits.sentence) if track.limits else ""
    return f"{said[0].upper()}{said[1:]}." if said else ""


def effort(track: TrackView) -> str:
    """What was tried, in sentences."""
    counts = [f"{getattr(track, word):,} {word}" for word in PLAIN.values()]
    counts += [f"{track.open:,} still open"] if track.open else []
    lasted = f" in {duration(track.seconds)}" if track.seconds else ""
    sentences = [f"{count(track.experiments, 'experiment')} ({', '.join(counts)}) took {count(track.runs, 'run')}{lasted}."]
    if track.explored:
        sentences.append(f"{track.explored_runs:,} of those runs explored {count(track.explored, 'point')}, which claim "
                         "nothing and have no verdict.")
    if track.sandbox:
        sentences.append(f"Sandbox: {prose(track.sandbox)}.")
    if track.faults:
        sentences.append(f"{count(track.faults, 'fault')} of the machine counted against no researcher.")
    if track.baseline_failed and not track.problem:
        sentences.append(f"The baseline itself failed on {track.baseline_failed:,} of {track.baseline_tried:,} seeds, which "
                         "were left out; a change may fail about as often.")
    if track.lost_to_load:
        sentences.append(f"{count(track.lost_to_load, 'run')} did not count, because other work overloaded the machine then.")
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
    return ["## What was kept", table(head, rows), *filter(None, [leaps and f"{leaps[0].upper()}{leaps[1:]}."])]


def _effect(found: ExperimentView) -> str:
    return rounded(effect(found))


def overfitting(track: TrackView) -> list[str]:
    """The overfitting monitor, and each question to the holdout."""
    found = track.holdout
    if found is None:
        return []
    said = holdout.sentence(found, track.unit)
    head = ("#", "verdict", "better by", "on the holdout", "carries over so far")
    text = f"{prose(said[:1].upper() + said[1:])}. {holdout.PRIVATE} {holdout.advice(found)}".rstrip()
    return ["## Overfitting", text, table(head, _asked(found)) if found.questions else ""]


def _asked(found: holdout.HoldoutView) -> Iterator[tuple[str, ...]]:
    """A row for each question to the holdout, with the share of all keeps so far that carries over."""
    here = there = 0.0
    for asked in found.questions:
        if asked.kept:
            here, there = here + asked.scorer, there + (asked.holdout or 0.0)
        held = "no number" if asked.holdout is None else span(asked.holdout, None)
        yield (str(asked.experiment), "keep" if asked.kept else "discard", rounded(span(asked.scorer, None)), rounded(held),
               holdout.percent(there / here if here > 0 else None))


def _audit(track: TrackView, audit: Audit | None) -> list[str]:
    if audit is None:
        return []
    head = ("what", "claimed (95 % interval)", "measured again", "verdict")
    rows = [(f"{name} {code(title)}" if title else name, rounded(claimed), rounded(found), verdict)
            for name, title, claimed, found, verdict in audited.rows(audit)]
    failed = [f"{count} failed{f': {code(reason, 200)}' if reason else ''}." for count, reason in audited.failures(audit)]
    marks = "".join(f" ({mark})" for mark in audit.plan.marks)
    return ["## Audit", f"What was kept was measured again on {len(audit.plan.seeds)} seeds that the night had never used, in "
            f"{count(len(audit.runs), 'run')}{marks}. The effect of a keep is what the frontier loses without it, in"
            f"{unit(track) or ' the metric'}; positive is better.", table(head, rows),
            " ".join([*failed, *audited.sentences(audit)])]


def further(track: TrackView) -> list[str]:
    """What further metrics say of each keep, and what was suggested."""
    found, said = track.further, list(afterwards.lines(None, track.suggestions))
    if found is None:
        return ["## Further metrics", *(f"{prose(text[:1].upper() + text[1:])}." for text in said)] if said else []
    head = ("#", *(code(each.further.metric, 32) for each in found.found))
    cells: dict[int, list[str]] = defaultdict(list)
    for each in found.found:
        for keep in each.keeps:
            cells[keep.experiment].append(rounded(span(keep.effect, keep.interval)) + " **disowned**" * bool(keep.disowned))
    rows = [(str(number), *shown) for number, shown in cells.items()]
    why = [f"- {prose(text, 400)}" for text in afterwards.lines(found, track.suggestions)]
    return ["## Further metrics", f"They decided nothing. What was kept was measured by them afterwards, on {found.seeds} "
            "fresh seeds for each commit, beside the commit before it (better by, with a 95 % interval); the scorer is that of "
            f"{code(found.commit[:7])}.",
            table(head, rows), "\n".join(why)]


def ladder(told: History) -> list[str]:
    """What became of each keep on larger rungs."""
    rungs = told.track.ladder
    if not rungs:
        return []
    rows = [(str(keep.id), code(keep.title), *(_on(rung, keep.id) for rung in rungs)) for keep in told.kept]
    branches = ", ".join(code(rung.branch) for rung in rungs)
    return ["## On larger rungs", "The same changes, judged by the same referee at larger sizes "
            f"(better by{unit(told.track)}, with a 95 % interval, where a change was tried by itself). A change that does not "
            f"hold helps at the smaller size only; what holds on a rung is on its branch: {branches}.",
            table(("#", "what", *(f"{code(rung.rung)} ({rung.size:g} x)" for rung in rungs)), rows)]


def _on(rung: RungView, keep: int) -> str:
    parts = [each for each in rung.carried if each.experiment == keep]
    return code("; ".join(f"{f'{each.title}: ' if len(parts) > 1 else ''}{rung_told(each, '')}" for each in parts), 600) or "–"


def explored(told: History) -> list[str]:
    """What single runs found: the points of which most was expected or measured. The best of many runs is a lucky one, which
    is why nothing rests on them."""
    track = told.track
    if not told.points:
        return []
    said = what_was_explored(track)
    ran = sorted((p for p in told.points if p.gain is not None), key=lambda p: -(p.gain or 0.0))
    raced = [p for p in ran if p.experiment is not None]
    shown = sorted(dict.fromkeys([*(p for p in ran if track.lead and p.point == track.lead.point), *raced[:learned.EXAMPLES],
                                  *ran[:learned.EXAMPLES]]), key=lambda p: -(p.gain or 0.0))
    rows = [(str(p.point), code(p.title), rounded(number(p.gain, 3, 0.0, "+")),
             rounded(points.about(*p.expected)) if p.expected else "–", f"#{p.experiment}" if p.experiment else "–")
            for p in shown]
    failed = sum(p.state == "failed" for p in told.points)
    crashed = f" {failed:,} of the runs failed." if failed else ""
    head = ("point", "what", "better by in its one run", "was expected", "raced as")
    return ["## What was explored", f"{prose(said[:1].upper() + said[1:])}.{crashed} Each is one run beside one of the commit "
            f"that it stands on{f', in{unit(track)}' * bool(track.unit)}. The best of many runs were lucky too, so "
            "what is thought best is raced and proven as an experiment, on fresh seeds. `overnight log --explored` lists all.",
            *([table(head, rows)] if rows else [])]


def _learned(told: History) -> list[str]:
    head = ("#", "what", "better by (95 % interval)", "pairs", "why it was discarded")
    groups = learned.discarded(told.experiments)
    parts = ["## What was learned"] if groups else []
    for group in groups:
        found, most = group.experiments, learned.EXAMPLES
        more = f", of which {most}" if len(found) > most else ""
        rows = [(str(e.id), code(e.title), _effect(e), str(e.verdict.pairs), code(e.verdict.reason)) for e in found[:most]]
        parts += [f"**{group.kind}**: {count(len(found), 'experiment')}{more}:", table(head, rows)]
    return parts


def _ended(told: History, verdict: str, title: str) -> list[str]:
    """Crashes or fouls by their reasons, the most frequent first."""
    ranked, most = learned.ended(told.experiments, verdict), learned.REASONS
    if not ranked:
        return []
    rows = [(str(len(each.experiments)), code(each.reason, learned.REASON),
             ", ".join(map(str, each.experiments[:NUMBERS])) + ", …" * (len(each.experiments) > NUMBERS))
            for each in ranked[:most]]
    rest = f"{count(len(ranked) - most, 'other reason')} in `overnight log`." if len(ranked) > most else ""
    return [f"## {title}", table(("#", "reason", "experiments"), rows), rest]


# ---- how, what it cost, what next ------------------------------------------------------------------------------


def decided(track: TrackView) -> list[str]:
    """How a keep was decided."""
    noise = asked = ""
    if track.noise is not None:
        noise = " The same code and seed give the same number twice." if track.deterministic else ""
        noise += f" Here one pair's difference spreads by ±{number(track.noise, 2, track.baseline or 0.0)}{unit(track)}."
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


def by_researcher(told: History) -> list[str]:
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
    return ["## Results by researcher", table(head, rows)]


def _row(told: History, name: str) -> list[str]:
    mine = [e for e in told.experiments if e.researcher == name]
    kept = [e for e in told.kept if e.researcher == name]
    use = told.track.models.get(name)
    gain = f"{sum(e.verdict.effect or 0.0 for e in kept):+.3g}" if kept else "–"
    dollars = "unknown" if use and use.dollars is None else f"{use.dollars if use else 0:.4f}"
    paid = [f"{use.calls:,}", f"{use.tokens:,}", dollars] if use else ["–"] * 3
    return [code(name, 60), f"{len(mine):,}", f"{len(kept):,}", gain, *paid]


def cost(track: TrackView) -> list[str]:
    """What a finding and a run cost."""
    if not track.runs:
        return []
    parts = track.overhead_parts_ms
    harness = f", and {sum(parts.values()):.3g} ms of Overnight's own work" if parts else ""
    most = sorted(parts.items(), key=lambda part: -part[1])[:3]
    named = f" (most of it: {', '.join(f'{prose(name)} {ms:.3g} ms' for name, ms in most)})" if most else ""
    share = track.busy_share
    busy = "" if share is None else f" Places were busy with runs {100 * share:.0f} % of the time."
    apart = f" {split[0].upper()}{split[1:]}." if (split := divided(track.run_seconds)) else ""
    took = f"One run took {track.busy_seconds / track.runs:.3g} s{harness}{named}.{apart}{busy}"
    return ["## What it cost", f"{finding_cost(track)} {took}".strip()]


def _next(report: Report) -> list[str]:
    steps = [f"- {prose(step.sentence, 600)}" + (f" `{step.command}`" if step.command else "") for step in next_steps(report)]
    return ["## What next", "\n".join(steps or ["- Go on from here. `overnight run`"])]


def _check(report: Report) -> list[str]:
    """How to get each number again."""
    rows = commands(report)
    width = max(len(command) for command, _ in rows)
    checked = report.checked
    said = f"Journal: {prose(checked.sentence)}; head `{checked.head}`." if checked else ""
    shown = "\n".join(f"{command:{width}}  # {why}" for command, why in rows)
    return ["## Check it yourself", f"```sh\n{shown}\n```", said]
