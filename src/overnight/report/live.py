"""The live view of a night or an audit: a panel or a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from overnight import untrusted
from overnight.contracts import EXPECTS, Place
from overnight.lab.events import Event, Faulted, Judged, Learnt, Measured, Noted, Opened, Passed, Proposed, Reopened, Vetoed
from overnight.lab.jobs import Accept, Combine, Job, Measure, Propose, Think
from overnight.lab.state import BASELINE, State
from overnight.report.folding import folded, short
from overnight.track.units import gained, number
from overnight.views import points
from overnight.views.experiment import experiment as view
from overnight.views.experiment import going_on, line
from overnight.views.track import duration, marks, one_seed, paid, spent

NOTHING, SHOWN = "nothing left to try", 300  # a reason that is not printed; characters of any other reason
PAUSE = 15.0  # seconds between two lines about how far an audit is
BESIDE = 20  # columns for the name of a place, and for how long it is at work
LAST = 6  # verdicts that stay on the screen
POINTS, EVERY = 2, 10  # explored points that stay on the screen; between two plain lines about what they led to
EXPLORED = "dim cyan"
SHADES = {"keep": "bold green", "discard": "dim", "crash": "red", "foul": "magenta"}


class Terminal(Console):
    """A terminal or a file that is given words from outside: of what is drawn, nothing is left that it would obey."""

    @property
    def draws(self) -> bool:
        """Whether something can be drawn again in its place."""
        return self.is_terminal and not self.is_dumb_terminal

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """What is drawn, cleaned; rich's own moves of the cursor stay."""
        for part in super().render(renderable, options):
            yield part if part.control else Segment(untrusted.visible(part.text), part.style)

    def say(self, sentence: str) -> None:
        """Print one sentence as it is: on a terminal broken between words, elsewhere as one line."""
        shown = folded(untrusted.flat(sentence), self.width if self.is_terminal else 0)
        self.print(shown, markup=False, highlight=False, soft_wrap=True)

    def page(self, text: str) -> None:
        """Print lines as they are."""
        for each in text.split("\n"):
            self.print(untrusted.flat(each), markup=False, highlight=False, soft_wrap=True)


class Lines:
    """Plain lines: one for each verdict and for each explored point, for files and pipes."""

    def __init__(self, state: State, console: Terminal) -> None:
        self.state, self.console, self._said = state, console, ""
        self.screen = nullcontext()

    def __call__(self, events: Sequence[Event]) -> None:
        """Print what happened."""
        for event in events:
            text = sentence(self.state, event)
            if text and text != self._said:  # four refused researchers say so once
                self.console.say(text)
                self._said = text
            probes = self.state.probes
            if _explores(event) and (len(probes.made) - len(probes.unrun)) % EVERY == 0:
                self.console.say(_so_far(self.state))


class Panel:
    """What is drawn again while things happen, on `screen`, a context; keeps, and what is taken back, are printed above it and
    stay. `until` is when the session ends, on the monotonic clock, and `experiments` how many it may try; None: as many as it
    likes."""

    def __init__(self, state: State, console: Console, places: Sequence[Place], until: float | None,
                 experiments: int | None) -> None:
        self.state, self.places, self.until, self.left, self.console = state, places, until, experiments, console
        self.began = time.monotonic()
        self.last: deque[tuple[str, str]] = deque(maxlen=LAST)
        self.points, self.so_far = deque[str](maxlen=POINTS), ""
        self.screen = Live(console=console, auto_refresh=False, transient=True)

    def __call__(self, events: Sequence[Event]) -> None:
        """Apply new events and redraw."""
        for event in events:
            if self.left and isinstance(event, Proposed) and not event.request:
                self.left -= 1
            text = sentence(self.state, event)
            if _explores(event):
                self.points.append(untrusted.flat(text))
            elif text:
                shade = SHADES.get(event.verdict, "") if isinstance(event, Judged) else "yellow"
                if isinstance(event, Vetoed) or (isinstance(event, Judged) and event.verdict == "keep"):
                    self.console.print(Text(folded(untrusted.flat(text), self.console.width), style=shade), soft_wrap=True)
                else:
                    self.last.append((untrusted.flat(text), shade))
        if any(_explores(event) or isinstance(event, Proposed | Judged | Vetoed) for event in events):
            self.so_far = _so_far(self.state)
        self.screen.update(self.draw(), refresh=True)

    def draw(self) -> Group:
        """The screen: headline, counts, places, what is explored, last verdicts but for keeps."""
        explored = (Text(short(text, self.console.width), style=EXPLORED, no_wrap=True, overflow="ellipsis")
                    for text in (self.so_far, *self.points) if text)
        last = (Text(short(text, self.console.width), style=shade, no_wrap=True, overflow="ellipsis")
                for text, shade in self.last)
        return Group(self._head(), self._counts(), self._places(), *explored, *last)

    def _head(self) -> Text:
        state, metric = self.state, self.state.track.metric
        levels = state.levels
        text = Text.from_markup(f"[bold]{escape(state.track.name)}[/]  {escape(metric.name)} "
                                f"[bold]{number(levels.frontier, 5)}[/] {escape(metric.unit)}")
        if state.frontier:
            gain = gained(levels.gain, levels.ratio, state.counts["keep"], metric.unit, levels.baseline or 0.0)
            runs = f"{levels.frontier_runs} run{'s' * (levels.frontier_runs != 1)}"
            text.append(f"   in {runs}, from {number(levels.baseline, 5)}: {gain}", "green")
        for mark in (*marks(state), *["paused"] * state.paused):
            text.append(f"  {mark}", "bold yellow")
        return text

    def _counts(self) -> Text:
        state, counts = self.state, self.state.counts
        tried = (("discard", "discarded"), ("crash", "crashed"), ("foul", "fouled"))
        parts = [f"{len(state.experiments)} experiments", f"[green]{counts['keep']} kept[/]",
                 *(f"{counts[verdict]} {word}" for verdict, word in tried if counts[verdict]),
                 f"{state.runs} run{'s' * (state.runs != 1)}"]
        if state.probes.made:
            parts.insert(-1, f"{len(state.probes.made)} explored")
        if counts["fault"]:
            parts.append(f"[yellow]{counts['fault']} faults of the machine[/]")
        if (used := state.usage.session).calls:
            parts.append(escape(paid("", spent(used))))
        now = time.monotonic()
        left = f"{duration(now - self.began)} so far" if self.until is None else f"{duration(self.until - now)} left"
        left += "" if self.left is None else f", {self.left} experiments left"
        return Text.from_markup(" · ".join([*parts, left]))

    def _places(self) -> Table:
        table = Table.grid(padding=(0, 2))
        for place in (p for p in self.places if p.job or p.kind != "think"):
            lasted = f"{time.monotonic() - place.since:.0f}s" if place.job else ""
            does = Text(short(doing(self.state, place.job), self.console.width - BESIDE), no_wrap=True, overflow="ellipsis")
            table.add_row(f"{place.kind} {place.number}", does, lasted)
        return table


class RunCounter(Progress):
    """How many of a known number of runs are done: a bar in a terminal, a line now and then elsewhere."""

    def __init__(self, whole: int, console: Terminal) -> None:
        super().__init__(BarColumn(), MofNCompleteColumn(), "runs", TimeRemainingColumn(), console=console, transient=True,
                         disable=not console.draws)
        self.whole, self.said, self.drawn = whole, time.monotonic(), console.draws
        self.task = self.add_task("", total=whole)

    def __call__(self, done: int) -> None:
        """So many are done now."""
        self.update(self.task, completed=done)
        if not self.drawn and time.monotonic() >= self.said + PAUSE:
            self.said = time.monotonic()
            self.console.print(f"{done} of {self.whole} runs", highlight=False)


def doing(state: State, job: Job | None) -> str:
    """What a place does now, in words."""
    if job is None:
        return "–"
    if isinstance(job, Propose):
        return f"{job.researcher} thinks"
    if isinstance(job, Think):
        return f"{job.role} thinks"
    if isinstance(job, Accept):
        return f"looks at a change from {job.order.by}"
    if isinstance(job, Measure):
        if job.stage == "null":
            return "measures the baseline with an edit that does nothing"
        if job.stage == "explore":
            return f"explores {job.experiment}: {state.probes.made[job.experiment].title}"
        if job.experiment == BASELINE:
            return "measures the baseline"
        experiment = state.experiments[job.experiment]
        verb = "measures the frontier" if job.commit == state.commit else f"{job.stage}s #{job.experiment}"
        if job.stage == "screen":
            return f"screens a stack up to #{job.experiment}: {experiment.title}"
        return f"{verb}: {experiment.title}"
    if isinstance(job, Combine):
        return f"stacks {len(job.experiments)} changes"
    return f"puts #{job.experiment} on the new frontier"


def sentence(state: State, event: Event) -> str:
    """An event as a line for people; "" for what they need not see."""
    if isinstance(event, Judged):
        chosen = state.experiments[event.experiment]
        return line(view(state, chosen), state.researchers) if chosen.verdict != "open" else ""  # it goes on already
    if isinstance(event, Reopened) and event.patient:
        return going_on(state.experiments[event.experiment])
    if isinstance(event, Reopened):
        return f"nothing new to try, so #{event.experiment} is raced on: {state.experiments[event.experiment].title}"
    if isinstance(event, Faulted):
        return f"fault of the machine, tried again: {event.reason}"
    if isinstance(event, Passed) and event.reason != NOTHING:
        return f"{event.researcher} {'is away' if event.away else 'made no change'}: {untrusted.line(event.reason, SHOWN)}"
    if isinstance(event, Noted):
        return f"idea {event.idea} from {untrusted.line(event.source, 80)}: {untrusted.line(event.title, 160)}"
    if isinstance(event, Learnt):
        return f"{event.role} wrote down what was learnt"
    if isinstance(event, Vetoed):
        why = f", because {event.reason}" if event.fails else ""
        return f"#{event.experiment} is taken back{why}; what was kept after it is confirmed anew"
    if isinstance(event, Opened):
        return f"the track {event.track} begins at {event.commit[:7]}"
    if isinstance(event, Measured) and state.overload.sentence:
        return f"{state.overload.sentence}; tried again in {state.overload.pause:.0f} s"
    if isinstance(event, Measured) and _explores(event):
        return _explored(state, event)
    if isinstance(event, Proposed) and EXPECTS in event.note and event.researcher in state.probes.makers:
        named = f", point {point}" if (point := state.probes.claimed.get(event.commit)) else ""
        title = state.experiments[event.experiment].title
        return f"#{event.experiment} is to prove the lead of what was explored{named}: {title}"
    if isinstance(event, Measured) and event.stage in ("calibrate", "null"):
        if not event.metrics:
            return f"baseline, seed {event.seed}, which is left out: {event.reason}"
        value = number(event.metrics.get(state.track.metric.name), 5)
        warning = f"; {one_seed(state.opened.fixed_seeds)}" if state.opened and state.one_seed else ""
        if event.stage == "null":
            return f"baseline with an edit that does nothing: {state.track.metric.name} {value}"
        return f"baseline, seed {event.seed}: {state.track.metric.name} {value}{warning}"
    return ""


def _explores(event: Event) -> bool:
    """Whether it is the end of a point's run."""
    return isinstance(event, Measured) and event.stage == "explore"


def _explored(state: State, event: Measured) -> str:
    metric, probe = state.track.metric, state.probes.made.get(event.experiment)
    if probe is None:
        return ""
    why = "" if event.metrics else untrusted.line(event.reason, SHOWN)
    return points.line(points.point(state, probe), metric.name, metric.unit, why)


def _so_far(state: State) -> str:
    """What was explored and led to, in a sentence without its stop; "" where nothing was."""
    made = state.probes.made
    return points.explored(len(made), points.best(state), untrusted.line(state.track.metric.unit, 24)) if made else ""

