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
from overnight.lab.lab import Lab
from overnight.lab.measurements import Experiment
from overnight.lab.state import BASELINE
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


def write(lab: Lab, folder: Path, audit: Audit | None = None) -> list[Path]:
    """Write results.tsv, report.md, progress.svg and progress.png into a folder; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    names = ("results.tsv", "report.md", "progress.svg", "progress.png")
    table, report, svg, png = paths = [folder / name for name in names]
    table.write_text(results_tsv(lab), encoding="utf-8")
    report.write_text(report_md(lab, png.name, audit), encoding="utf-8")
    chart.draw(lab, svg, png)
    return paths


def report_md(lab: Lab, chart_name: str, audit: Audit | None = None) -> str:
    """The report with the chart of that name, and with the audit where there was one."""
    parts = [*_head(lab), f"![{prose(chart.headline(lab))}]({chart_name})"]
    if lab.experiments:
        parts += [*_kept(lab), *_overfitting(lab), *_audit(lab, audit), *_learned(lab)]
        parts += [*_ended(lab, "crash", "Crashed"), *_ended(lab, "foul", "Out of bounds")]
    parts += [*_who(lab), *_decided(lab), *_cost(lab), *_next(lab)]
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


def _unit(lab: Lab) -> str:
    return f" {prose(lab.track.metric.unit, 24)}" if lab.track.metric.unit else ""


# ---- the headline ----------------------------------------------------------------------------------------------


def _head(lab: Lab) -> list[str]:
    goal = lab.track.track.goal
    warnings = [f"> **{mark}**: {WARNINGS[mark]}" for mark in track.marks(lab)]
    title = f"# {prose(chart.headline(lab))}"
    return [title, prose(goal) if goal else "", "\n>\n".join(warnings), _gain(lab), _effort(lab)]


def _gain(lab: Lab) -> str:
    metric, (first, now) = lab.track.metric, levels(lab)
    if lab.level(BASELINE) is None:
        return "The baseline was not measured."
    better = "lower" if metric.direction == "minimize" else "higher"
    if not lab.frontier:
        return f"Nothing was kept: {code(metric.name)} stays at {first}{_unit(lab)} ({better} is better)."
    gain = abs(Decimal(now) - Decimal(first))
    share = f" ({100 * gain / abs(Decimal(first)):.3g} %)" if Decimal(first) and gain < 10 * abs(Decimal(first)) else ""
    kept = lab.counts["keep"]
    sum_of = "It was" if kept == 1 else f"The gain is the sum of the {kept:,} gains below, each"
    return (f"**{code(metric.name)} went from {first} to {now}{_unit(lab)}: better by {gain}{share}**; {better} is "
            f"better. {sum_of} measured on fresh seeds against the commit before it.")


def _effort(lab: Lab) -> str:
    experiments, runs, faults = len(lab.experiments), lab.runs, lab.counts["fault"]
    counts = [f"{lab.counts[verdict]:,} {word}" for verdict, word in track.PLAIN.items()]
    counts += [f"{len(lab.open):,} still open"] if lab.open else []
    lasted = f" in {track.duration(lab.tally.seconds)}" if lab.tally.seconds else ""
    sentences = [f"{_count(experiments, 'experiment')} ({', '.join(counts)}) took {_count(runs, 'run')}{lasted}."]
    if lab.tally.sandboxes:
        sentences.append(f"Sandbox: {prose(', '.join(sorted(lab.tally.sandboxes)))}.")
    if faults:
        sentences.append(f"{_count(faults, 'fault')} of the machine counted against nobody.")
    if lab.problem:
        sentences.append(f"The night ended early: {code(lab.problem, 300)}.")
    return " ".join(sentences)


# ---- what came of it -------------------------------------------------------------------------------------------


def _kept(lab: Lab) -> list[str]:
    kept, metric = lab.chain(), lab.track.metric
    if not kept:
        return []
    first, _ = levels(lab)
    decimals = len(first.partition(".")[2]) if "e" not in first else 0
    head = ("#", "commit", "what", "better by (95 % interval)", "pairs (fresh)", f"{code(metric.name, 32)} then")
    rows = [(str(e.id), f"`{e.commit[:7]}`", _whose(lab, e), _effect(e), f"{e.pairs} ({e.fresh_pairs})",
             f"{lab.level(e.id):.{decimals}f}") for e in kept]
    return ["## What was kept", _table(head, rows)]


def _whose(lab: Lab, experiment: Experiment) -> str:
    by = track.who(lab, experiment)
    return f"{code(experiment.title)} by {code(by, 40)}" if by else code(experiment.title)


def _effect(experiment: Experiment) -> str:
    return _round(track.effect(experiment))


def _round(span: str) -> str:
    return span.replace("[", "(").replace("]", ")").replace("-", "−")


def _overfitting(lab: Lab) -> list[str]:
    """The gauge, and each question to the holdout."""
    said = holdout.sentence(lab)
    if not said:
        return []
    head = ("#", "verdict", "better by", "on the holdout", "carries over so far")
    rows = [(number, verdict, _round(here), _round(there), so_far) for number, verdict, here, there, so_far in
            holdout.rows(lab)]
    text = f"{prose(said[:1].upper() + said[1:])}. {holdout.PRIVATE} {holdout.advice(lab)}".rstrip()
    return ["## Overfitting", text, _table(head, rows) if rows else ""]


def _audit(lab: Lab, audit: Audit | None) -> list[str]:
    if audit is None:
        return []
    head = ("what", "claimed (95 % interval)", "measured again", "verdict")
    rows = [(f"{name} {code(title)}" if title else name, _round(claimed), _round(found), verdict)
            for name, title, claimed, found, verdict in audited.rows(audit)]
    failed = [f"{count} failed{f': {code(reason, 200)}' if reason else ''}." for count, reason in audited.failures(audit)]
    marks = "".join(f" ({mark})" for mark in audit.plan.marks)
    return ["## Audit", f"What was kept was measured again on {len(audit.plan.seeds)} seeds that the night had never used, in "
            f"{_count(len(audit.runs), 'run')}{marks}. The effect of a keep is what the frontier loses without it, in"
            f"{_unit(lab) or ' the metric'}; positive is better.", _table(head, rows),
            " ".join([*failed, *audited.sentences(audit)])]


def _learned(lab: Lab) -> list[str]:
    groups: dict[str, list[Experiment]] = defaultdict(list)
    for experiment in lab.experiments.values():
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


def _ended(lab: Lab, verdict: str, title: str) -> list[str]:
    """Crashes or fouls by their reasons, the most frequent first."""
    groups: dict[str, list[int]] = defaultdict(list)
    for experiment in lab.experiments.values():
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


def _decided(lab: Lab) -> list[str]:
    policy = lab.policy
    return ["## How it was decided", " ".join([
        "A change and the commit that it stands on are run with the same seed, so that luck which both share cancels",
        f"out: that is a pair, and its difference says more than two scores.{_noise(lab)} After each pair the referee",
        "drops a change that can hardly turn out well any more, and so saves its runs for others. A change that looks",
        f"better must show it again on at least {policy.fresh_pairs} seeds that were drawn after its commit existed.",
        f"It is kept when the evidence of all pairs is strong enough (now {1 / lab.alpha:.3g} to 1: more after many runs",
        f"without a keep, so that at most {100 * policy.level:g} % of what is kept is false) and the fresh seeds speak for",
        f"it by themselves; only what they showed is reported as its gain.{_on_holdout(lab)}",
        "While most changes are worth nothing, several are stacked in one run, and looked at one by one only if together",
        "they win. No candidate and no language model has a say in that.",
    ])]


def _on_holdout(lab: Lab) -> str:
    if not lab.track.holdout:
        return ""
    return (f" At last, {100 * CARRIED:.0f} % of the gain must be found on a holdout that no candidate and no "
            "researcher ever sees.")


def _noise(lab: Lab) -> str:
    if lab.noise is None:
        return ""
    same = " The same code and seed give the same number twice." if lab.known.deterministic else ""
    return f"{same} Here one pair's difference spreads by ±{lab.noise:.2g}{_unit(lab)}."


def _who(lab: Lab) -> list[str]:
    """Who proposed what, and what calls to models came to; nothing where one researcher did it all without any."""
    names = list(dict.fromkeys([*(e.researcher for e in lab.experiments.values()), *lab.tally.used]))
    if len(names) < 2 and not lab.tally.used:
        return []
    rows = [_row(lab, name) for name in names]
    return ["## Who had the ideas", _table(["who", "experiments", "kept", "gain", "calls", "tokens", "dollars"], rows)]


def _row(lab: Lab, name: str) -> list[str]:
    mine = [e for e in lab.experiments.values() if e.researcher == name]
    kept = [e for e in lab.chain() if e.researcher == name]
    use = lab.tally.used.get(name)
    gain = f"{sum(e.effect or 0.0 for e in kept):+.3g}" if kept else "–"
    dollars = "unknown" if use and use.unpriced else f"{use.dollars if use else 0:.4f}"
    paid = [f"{use.calls:,}", f"{use.tokens:,}", dollars] if use else ["–"] * 3
    return [code(name, 60), f"{len(mine):,}", f"{len(kept):,}", gain, *paid]


def _cost(lab: Lab) -> list[str]:
    if not lab.runs:
        return []
    parts = track.overhead(lab)
    harness = f", and {sum(parts.values()):.3g} ms of Overnight's own work" if parts else ""
    most = sorted(parts.items(), key=lambda part: -part[1])[:3]
    named = f" (most of it: {', '.join(f'{prose(name)} {ms:.3g} ms' for name, ms in most)})" if most else ""
    used, had = lab.tally.busy, lab.tally.capacity
    busy = f" Places were busy with runs {100 * used / had:.0f} % of the time." if had else ""
    return ["## What it cost", f"One run took {used / lab.runs:.3g} s{harness}{named}.{busy}"]


def _next(lab: Lab) -> list[str]:
    if lab.opened is None:
        return []
    chosen = lab.frontier or max(lab.experiments, default=BASELINE)
    rows = [(f"overnight show {chosen}", "diff, runs and evidence of one experiment")] if chosen else []
    if lab.frontier:
        branch = f"overnight/{plain(lab.track.name, 80)}"
        rows += [("overnight audit", "measure what was kept again, on fresh seeds"),
                 (f"git diff {lab.opened.commit[:7]}..{branch}", "all that was kept, as one diff"),
                 ("overnight merge", "take it into the branch that is checked out")]
    rows.append(("overnight run", "go on from here"))
    width = max(len(command) for command, _ in rows)
    return ["## Next", "```sh\n" + "\n".join(f"{command:{width}}  # {why}" for command, why in rows) + "\n```"]
