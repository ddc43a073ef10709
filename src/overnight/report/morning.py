"""The morning report: what was kept, what was learned, how it was decided, what to do next. In markdown.

Words from candidates (titles, reasons) are data: one bounded line each, inside a code span, where no markdown or HTML
has a meaning.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from overnight.audit.arithmetic import Audit
from overnight.lab.experiment import Experiment
from overnight.lab.state import BASELINE, State
from overnight.referee.holdout import CARRIED, DENIED, UNCHECKED
from overnight.report import audit as audited
from overnight.report import chart
from overnight.report.tables import TITLE, levels, plain, results_tsv
from overnight.views import holdout, track

EXAMPLES = 5  # experiments named in each group of what was learned
REASONS = 8  # different reasons of crashes that are named
NUMBERS = 6  # experiments named beside one reason
WARNINGS = {
    "self-reported": "The candidates' own output is the metric, so a candidate could write whatever it likes. "
                     "Add a `[score]` to `track.toml` before you believe a number.",
    "unsandboxed": "Runs had the rights of the user who started them: "
                   "they could read the answers and change this machine.",
}


def write(state: State, folder: Path, audit: Audit | None = None) -> list[Path]:
    """Write results.tsv, report.md, progress.svg and progress.png into a folder; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("results.tsv", "report.md", "progress.svg", "progress.png")
    table, report, svg, png = paths = [folder / name for name in names]
    table.write_text(results_tsv(state), encoding="utf-8")
    report.write_text(report_md(state, png.name, audit), encoding="utf-8")
    chart.draw(state, svg, png)
    return paths


def report_md(state: State, chart_name: str, audit: Audit | None = None) -> str:
    """The report with the chart of that name, and with the audit where there was one."""
    parts = [*_head(state), f"![{prose(chart.headline(state))}]({chart_name})"]
    if state.experiments:
        parts += [*_kept(state), *_overfitting(state), *_audit(state, audit), *_learned(state)]
        parts += [*_ended(state, "crash", "Crashed"), *_ended(state, "foul", "Out of bounds")]
    parts += [*_who(state), *_decided(state), *_cost(state), *_next(state)]
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


def _unit(state: State) -> str:
    return f" {prose(state.track.metric.unit, 24)}" if state.track.metric.unit else ""


# ---- the headline ----------------------------------------------------------------------------------------------


def _head(state: State) -> list[str]:
    goal = state.track.track.goal
    warnings = [f"> **{mark}**: {WARNINGS[mark]}" for mark in track.marks(state)]
    title = f"# {prose(chart.headline(state))}"
    return [title, prose(goal) if goal else "", "\n>\n".join(warnings), _gain(state), _effort(state)]


def _gain(state: State) -> str:
    metric, (first, now) = state.track.metric, levels(state)
    if state.level(BASELINE) is None:
        return "The baseline was not measured."
    better = "lower" if metric.direction == "minimize" else "higher"
    if not state.frontier:
        return f"Nothing was kept: {code(metric.name)} stays at {first}{_unit(state)} ({better} is better)."
    gain = abs(Decimal(now) - Decimal(first))
    share = f" ({100 * gain / abs(Decimal(first)):.3g} %)" if Decimal(first) and gain < 10 * abs(Decimal(first)) else ""
    kept = state.counts["keep"]
    sum_of = "It was" if kept == 1 else f"The gain is the sum of the {kept:,} gains below, each"
    return (f"**{code(metric.name)} went from {first} to {now}{_unit(state)}: better by {gain}{share}**; {better} is "
            f"better. {sum_of} measured on fresh seeds against the commit before it.")


def _effort(state: State) -> str:
    experiments, runs, faults = len(state.experiments), state.runs, state.counts["fault"]
    counts = [f"{state.counts[verdict]:,} {word}" for verdict, word in track.PLAIN.items()]
    counts += [f"{len(state.open):,} still open"] if state.open else []
    lasted = f" in {track.duration(state.tally.seconds)}" if state.tally.seconds else ""
    sentences = [f"{_count(experiments, 'experiment')} ({', '.join(counts)}) took {_count(runs, 'run')}{lasted}."]
    if state.tally.sandboxes:
        sentences.append(f"Sandbox: {prose(', '.join(sorted(state.tally.sandboxes)))}.")
    if faults:
        sentences.append(f"{_count(faults, 'fault')} of the machine counted against nobody.")
    if state.problem:
        sentences.append(f"The night ended early: {code(state.problem, 300)}.")
    return " ".join(sentences)


# ---- what came of it -------------------------------------------------------------------------------------------


def _kept(state: State) -> list[str]:
    kept, metric = state.chain(), state.track.metric
    if not kept:
        return []
    first, _ = levels(state)
    decimals = len(first.partition(".")[2]) if "e" not in first else 0
    head = ("#", "commit", "what", "better by (95 % interval)", "pairs (fresh)", f"{code(metric.name, 32)} then")
    rows = [(str(e.id), f"`{e.commit[:7]}`", _whose(state, e), _effect(e), f"{e.pairs} ({e.fresh_pairs})",
             f"{state.level(e.id):.{decimals}f}") for e in kept]
    return ["## What was kept", _table(head, rows)]


def _whose(state: State, experiment: Experiment) -> str:
    by = track.who(state, experiment)
    return f"{code(experiment.title)} by {code(by, 40)}" if by else code(experiment.title)


def _effect(experiment: Experiment) -> str:
    return _round(track.effect(experiment))


def _round(span: str) -> str:
    return span.replace("[", "(").replace("]", ")").replace("-", "−")


def _overfitting(state: State) -> list[str]:
    """The gauge, and each question to the holdout."""
    said = holdout.sentence(state)
    if not said:
        return []
    head = ("#", "verdict", "better by", "on the holdout", "carries over so far")
    rows = [(number, verdict, _round(here), _round(there), so_far) for number, verdict, here, there, so_far in
            holdout.rows(state)]
    text = f"{prose(said[:1].upper() + said[1:])}. {holdout.PRIVATE} {holdout.advice(state)}".rstrip()
    return ["## Overfitting", text, _table(head, rows) if rows else ""]


def _audit(state: State, audit: Audit | None) -> list[str]:
    if audit is None:
        return []
    head = ("what", "claimed (95 % interval)", "measured again", "verdict")
    rows = [(f"{name} {code(title)}" if title else name, _round(claimed), _round(found), verdict)
            for name, title, claimed, found, verdict in audited.rows(audit)]
    failed = [f"{count} failed{f': {code(reason, 200)}' if reason else ''}." for count, reason in audited.failures(audit)]
    marks = "".join(f" ({mark})" for mark in audit.plan.marks)
    return ["## Audit", f"What was kept was measured again on {len(audit.plan.seeds)} seeds that the night had never used, in "
            f"{_count(len(audit.runs), 'run')}{marks}. The effect of a keep is what the frontier loses without it, in"
            f"{_unit(state) or ' the metric'}; positive is better.", _table(head, rows),
            " ".join([*failed, *audited.sentences(audit)])]


def _learned(state: State) -> list[str]:
    groups: dict[str, list[Experiment]] = defaultdict(list)
    for experiment in state.experiments.values():
        if experiment.verdict == "discard":
            groups[_kind(experiment)].append(experiment)
    parts = ["## What was learned"] if groups else []
    for kind, order in ORDER.items():
        if found := sorted(groups[kind], key=order):
            more = f", of which {EXAMPLES}" if len(found) > EXAMPLES else ""
            rows = [(str(e.id), code(e.title), _effect(e), str(e.pairs), code(e.reason)) for e in found[:EXAMPLES]]
            head = ("#", "what", "better by (95 % interval)", "pairs", "why it was discarded")
            parts += [f"**{kind}**: {_count(len(found), 'experiment')}{more}:", _table(head, rows)]
    return parts


def _kind(experiment: Experiment) -> str:
    """What a discarded experiment teaches; the keys of ORDER."""
    if experiment.reason.startswith("breaks the guard"):
        return GUARD
    if experiment.reason in (DENIED, UNCHECKED):
        return OVERFIT
    if experiment.effect is None:
        return UNKNOWN
    low, high = experiment.interval or (-abs(experiment.effect), abs(experiment.effect))
    if high < 0:
        return WORSE
    if experiment.fresh_pairs:
        return SMALL if low > 0 else FADED
    return NEUTRAL


WORSE, NEUTRAL = "Made it worse", "Made no difference that could be seen"
SMALL, FADED = "Better, but by less than is worthwhile", "Looked better, but not on fresh seeds"
GUARD, UNKNOWN = "Broke a guard", "Dropped in a stack, or never compared"
OVERFIT = "Better, but not on the holdout"
ORDER = {
    WORSE: lambda e: e.effect or 0.0,
    SMALL: lambda e: -(e.effect or 0.0),
    FADED: lambda e: -(e.effect or 0.0),
    OVERFIT: lambda e: -(e.effect or 0.0),
    NEUTRAL: lambda e: (-e.pairs, e.id),
    GUARD: lambda e: e.id,
    UNKNOWN: lambda e: e.id,
}


def _ended(state: State, verdict: str, title: str) -> list[str]:
    """Crashes or fouls by their reasons, the most frequent first."""
    groups: dict[str, list[int]] = defaultdict(list)
    for experiment in state.experiments.values():
        if experiment.verdict == verdict:
            groups[code(experiment.reason, 200)].append(experiment.id)
    if not groups:
        return []
    ranked = sorted(groups.items(), key=lambda group: (-len(group[1]), group[1]))
    rows = [(str(len(ids)), reason, ", ".join(map(str, ids[:NUMBERS])) + ", …" * (len(ids) > NUMBERS))
            for reason, ids in ranked[:REASONS]]
    rest = f"{_count(len(ranked) - REASONS, 'other reason')} in `overnight log`." if len(ranked) > REASONS else ""
    return [f"## {title}", _table(("#", "reason", "experiments"), rows), rest]


# ---- how, what it cost, what next ------------------------------------------------------------------------------


def _decided(state: State) -> list[str]:
    policy = state.policy
    return ["## How it was decided", " ".join([
        "A change and the commit that it stands on are run with the same seed, so that luck which both share cancels",
        f"out: that is a pair, and its difference says more than two scores.{_noise(state)} After each pair the referee",
        "drops a change that can hardly turn out well any more, and so saves its runs for others. A change that looks",
        f"better must show it again on at least {policy.fresh_pairs} seeds that were drawn after its commit existed.",
        f"It is kept when the evidence of all pairs is strong enough (now {1 / state.alpha:.3g} to 1: more after many runs",
        f"without a keep, so that at most {100 * policy.level:g} % of what is kept is false) and the fresh seeds speak for",
        f"it by themselves; only what they showed is reported as its gain.{_on_holdout(state)}",
        "While most changes are worth nothing, several are stacked in one run, and looked at one by one only if together",
        "they win. No candidate and no language model has a say in that.",
    ])]


def _on_holdout(state: State) -> str:
    if not state.track.holdout:
        return ""
    return (f" At last, {100 * CARRIED:.0f} % of the gain must be found on a holdout that no candidate and no "
            "researcher ever sees.")


def _noise(state: State) -> str:
    if state.noise is None:
        return ""
    same = " The same code and seed give the same number twice." if state.known.deterministic else ""
    return f"{same} Here one pair's difference spreads by ±{state.noise:.2g}{_unit(state)}."


def _who(state: State) -> list[str]:
    """Who proposed what, and what calls to models came to; nothing where one researcher did it all without any."""
    names = list(dict.fromkeys([*(e.researcher for e in state.experiments.values()), *state.tally.used]))
    if len(names) < 2 and not state.tally.used:
        return []
    rows = [_row(state, name) for name in names]
    return ["## Who had the ideas", _table(["who", "experiments", "kept", "gain", "calls", "tokens", "dollars"], rows)]


def _row(state: State, name: str) -> list[str]:
    mine = [e for e in state.experiments.values() if e.researcher == name]
    kept = [e for e in state.chain() if e.researcher == name]
    use = state.tally.used.get(name)
    gain = f"{sum(e.effect or 0.0 for e in kept):+.3g}" if kept else "–"
    dollars = "unknown" if use and use.unpriced else f"{use.dollars if use else 0:.4f}"
    paid = [f"{use.calls:,}", f"{use.tokens:,}", dollars] if use else ["–"] * 3
    return [code(name, 60), f"{len(mine):,}", f"{len(kept):,}", gain, *paid]


def _cost(state: State) -> list[str]:
    if not state.runs:
        return []
    parts = track.overhead(state)
    harness = f", and {sum(parts.values()):.3g} ms of Overnight's own work" if parts else ""
    most = sorted(parts.items(), key=lambda part: -part[1])[:3]
    named = f" (most of it: {', '.join(f'{prose(name)} {ms:.3g} ms' for name, ms in most)})" if most else ""
    used, had = state.tally.busy, state.tally.capacity
    busy = f" Places were busy with runs {100 * used / had:.0f} % of the time." if had else ""
    return ["## What it cost", f"One run took {used / state.runs:.3g} s{harness}{named}.{busy}"]


def _next(state: State) -> list[str]:
    if state.opened is None:
        return []
    chosen = state.frontier or max(state.experiments, default=BASELINE)
    rows = [(f"overnight show {chosen}", "diff, runs and evidence of one experiment")] if chosen else []
    if state.frontier:
        branch = f"overnight/{plain(state.track.name, 80)}"
        rows += [("overnight audit", "measure what was kept again, on fresh seeds"),
                 (f"git diff {state.opened.commit[:7]}..{branch}", "all that was kept, as one diff"),
                 ("overnight merge", "take it into the branch that is checked out")]
    rows.append(("overnight run", "go on from here"))
    width = max(len(command) for command, _ in rows)
    return ["## Next", "```sh\n" + "\n".join(f"{command:{width}}  # {why}" for command, why in rows) + "\n```"]
