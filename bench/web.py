"""`overnight serve` on long tracks, in a real browser: how soon pages are there, what they weigh, how soon a verdict is seen,
what the server holds, and what two hundred open pages cost a night.

The tracks are those of bench.long. Chromium comes from the system, and Playwright drives it; each visit is a browser's first,
in a new context. A page is interactive when it is painted and its script has run. The server, the browser and a night share
this machine's cores, so that a number from a loaded machine is an upper bound.

What viewers cost is measured within one night: for so many seconds they are there, for as many they are not, by turns. A
worker is busy while it has a job.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from playwright.sync_api import sync_playwright

from bench import long
from bench.busy import WORKERS
from bench.kit import Bench, Cell, Row, exact, mean, median, ratio
from bench.runs import contract, files, written
from overnight.errors import OvernightError
from overnight.lab.events import Judged, Measured
from overnight.night.session import Session
from overnight.web.pages import PAGES

MIDDLE, LARGE = 10_000, 100_000  # experiments
SOON, PAGE_KB, SEEN, FILTERED, READY, FALL = 1000, 300, 1000, 100, 1000, 2  # ms, kB, ms, ms, ms, points
SMALL, EMPTY, EACH = 1000, 72, 780e-6  # experiments; MB of a server of a short track, and for each more: 150 MB at 100,000
VIEWERS = 200
ROUNDS = 4_000_000  # of a program that takes about a second
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
PAINTED = """() => {
  const [way] = performance.getEntriesByType("navigation"), paint = performance.getEntriesByName("first-contentful-paint")[0];
  return Math.max(way.domContentLoadedEventEnd, paint ? paint.startTime : Infinity);
}"""
WATCH = """number => { window.seenAt = 0; new MutationObserver(() => {
  if (!window.seenAt && document.querySelector(`#feed [data-key="feed-${number}"]`)) window.seenAt = Date.now();
}).observe(document.getElementById("feed"), {childList: true, subtree: true}); }"""
FILTERS = ("verdict=discard", "cause=worse", "researcher=author", "q=warmup", "verdict=crash&sort=effect", "q=nothing+has+this")
CROWD = """
import asyncio, sys
from urllib.parse import urlsplit
async def view(place, got):
    where = urlsplit(place)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    words = f"GET {where.path}?{where.query} HTTP/1.1", f"Host: {where.netloc}", "Accept: text/event-stream", "", ""
    writer.write("\\r\\n".join(words).encode())
    while part := await reader.read(65536):
        got[0] += len(part)
        got[1] += part.count(b"event: fragment")
async def main(place, count):
    got = [0, 0]
    views = [asyncio.ensure_future(view(place, got)) for _ in range(count)]
    print("there", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(sum(not each.done() for each in views), *got, flush=True)
    for each in views:
        each.cancel()
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""
WORK = "total = 0\nfor number in range({rounds}):\n    total += number * number\n"  # of a program that always does the same


# ---- a server and a browser ------------------------------------------------------------------------------------


class Serving(NamedTuple):
    """A server of one track: where, as which process, and the seconds until it answered."""

    url: str
    name: str
    pid: int
    ready: float

    @property
    def memory(self) -> float:
        """What it holds now, in MB."""
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text(encoding="ascii")
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) / 1024 * 1.048576

    @property
    def cpu(self) -> float:
        """Seconds of the processor that it has taken."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def own(self, path: str, times: int = 5) -> float:
        """Milliseconds of the processor that it takes for an answer, the mean of so many; other work moves it little."""
        before = self.cpu
        for _ in range(times):
            self.get(path)
        return 1e3 * (self.cpu - before) / times

    def get(self, path: str) -> bytes:
        """An answer of it, whole."""
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return bytes(answer.read())


@contextmanager
def served(folder: Path) -> Iterator[Serving]:
    """`overnight serve` of a track. Raises OvernightError where it does not begin to."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "overnight.cli", "serve", str(folder), "--port", "0"], text=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        assert process.stderr is not None
        url, said = "", []
        for line in process.stderr:
            said.append(line)
            if line.startswith("serving http"):
                url = line.removeprefix("serving ").partition(";")[0].strip().rstrip("/")
                break
        if not url:
            raise OvernightError(f"`overnight serve` did not begin: {''.join(said)[-300:]}")
        with urllib.request.urlopen(f"{url}/api/v1/tracks", timeout=60) as answer:
            tracks = json.load(answer)
        ready = time.monotonic() - began
        yield Serving(url, _name(tracks), process.pid, ready)
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()


def _name(tracks: Any) -> str:
    """The name of the only track in what the API says of all."""
    entries = tracks if isinstance(tracks, list) else next(each for each in tracks.values() if isinstance(each, list))
    return str(entries[0]["name"])


def program() -> str | None:
    """The system's Chromium, None where there is none."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def browser() -> Iterator[Any]:
    """The system's Chromium."""
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=program(), args=ARGUMENTS)
        try:
            yield found
        finally:
            found.close()


def visit(found: Any, url: str) -> tuple[float, float]:
    """Milliseconds until a page is interactive for a first visitor, and the kB that were moved for it."""
    context = found.new_context()
    try:
        page, moved = context.new_page(), list[float]()
        session = context.new_cdp_session(page)
        session.on("Network.loadingFinished", lambda event: moved.append(event["encodedDataLength"]))
        session.send("Network.enable")
        page.goto(url, wait_until="load", timeout=60_000)
        page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length > 0", timeout=60_000)
        page.wait_for_timeout(100)
        return float(page.evaluate(PAINTED)), sum(moved) / 1000
    finally:
        context.close()


def places(session: Session) -> Iterator[tuple[str, str]]:
    """Every page of a track: what to call it, and its path; of an experiment that of the last keep."""
    kept = session.state.chain()[-1].id
    for page in PAGES:
        path = page.path.replace("{number:int}", str(kept))
        if "{" not in path:
            yield page.name, path


# ---- what is measured ------------------------------------------------------------------------------------------


@contextmanager
def track(experiments: int) -> Iterator[Session]:
    """A long track in folders of its own."""
    before = os.environ.get("XDG_STATE_HOME")
    with tempfile.TemporaryDirectory(prefix="overnight-bench-web-") as folder:
        os.environ["XDG_STATE_HOME"] = str(Path(folder, "state"))
        try:
            session = long.write(Path(folder, "long"), experiments)
            long.audited(session)
            yield session
        finally:
            if before is None:
                del os.environ["XDG_STATE_HOME"]
            else:
                os.environ["XDG_STATE_HOME"] = before


def middle(experiments: int, visits: int, verdicts: int) -> Iterator[Row]:
    """Pages, filters and a live verdict on a track of this size."""
    with track(experiments) as session, served(session.repo.folder) as server, browser() as found:
        of = f"{experiments:,} experiments"
        for name, path in places(session):
            made = [visit(found, f"{server.url}/t/{server.name}/{path}") for _ in range(visits)]
            yield median(f"{name} page, interactive, {of}", [took for took, _ in made], f"<= {SOON}", "ms")
            yield exact("  moved", max(moved for _, moved in made), f"<= {PAGE_KB}", "kB")
            yield exact("  the server's own time for it", server.own(f"/t/{server.name}/{path}"), unit="ms")
        for words in FILTERS:
            path = f"/t/{server.name}/experiments?{words}"
            yield median(f"the page of {words}", list(_asked(server, path, visits)), f"<= {FILTERED}", "ms")
            yield exact("  the server's own time for it", server.own(path), unit="ms")
            path = f"/api/v1/tracks/{server.name}/experiments?{words}&limit=100"
            yield median("  the same by the API", list(_asked(server, path, visits)), f"<= {FILTERED}", "ms")
        yield median("a verdict, from its record to the page", list(seen(session, server, found, verdicts)), f"<= {SEEN}", "ms")


def _asked(server: Serving, path: str, times: int) -> Iterator[float]:
    """Milliseconds of each of so many requests, after a first one."""
    for number in range(times + 1):
        began = time.perf_counter()
        server.get(path)
        if number:
            yield 1e3 * (time.perf_counter() - began)


def seen(session: Session, server: Serving, found: Any, verdicts: int) -> Iterator[float]:
    """Milliseconds from the moment when a verdict is about to be recorded until it stands on an open page."""
    page = found.new_context().new_page()
    page.goto(f"{server.url}/t/{server.name}/", wait_until="load")
    with Session(session.repo.folder).writing():
        pass  # what was left open is looked at before
    live = Session(session.repo.folder)
    with live.writing():
        writer = long.Writer(live, False, 7)
        while verdicts:
            for event in writer.night.go(1, 0):
                writer.waiting.append(event)
            if not isinstance(event, Judged):
                continue
            last = writer.waiting.pop()
            writer.flush()
            page.wait_for_timeout(1500)
            page.evaluate(WATCH, event.experiment)
            writer.waiting.append(last)
            began = time.time()
            writer.flush()
            page.wait_for_function("() => window.seenAt", timeout=30_000)
            yield float(page.evaluate("() => window.seenAt")) - 1e3 * began
            verdicts -= 1


def allowed(experiments: int) -> float:
    """MB that a server of a track of this size may hold."""
    return EMPTY + EACH * experiments


def large(experiments: int, starts: int) -> Iterator[Row]:
    """What a server holds of a track of this size after all of its pages were asked for twice, and how soon it is there."""
    with track(experiments) as session:
        of, ready, held = f"{experiments:,} experiments", list[float](), list[float]()
        for _ in range(starts):
            with served(session.repo.folder) as server:
                ready.append(1e3 * server.ready)
                for _, path in [*places(session)] * 2:
                    server.get(f"/t/{server.name}/{path}")
                for words in FILTERS:
                    server.get(f"/t/{server.name}/experiments?{words}")
                held.append(server.memory)
        yield median(f"serve is ready, {of}", ready, f"<= {READY}", "ms")
        yield median(f"the server's memory, {of}", held, f"<= {allowed(experiments):.0f}", "MB")


# ---- what viewers cost a night ---------------------------------------------------------------------------------


@contextmanager
def crowd(server: Serving, after: int, count: int, heard: list[tuple[int, int, int]]) -> Iterator[None]:
    """So many viewers of a track's stream from a record on, in another process; then what they got: how many are still there,
    bytes, frames."""
    stream = f"{server.url}/api/v1/tracks/{server.name}/events?after={after}"
    process = subprocess.Popen([sys.executable, "-c", CROWD, stream, str(count)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdin is not None
    process.stdout.readline()
    try:
        yield
    finally:
        process.stdin.close()
        there, moved, frames = map(int, (process.stdout.readline() or "0 0 0").split())
        heard.append((there, moved, frames))
        process.wait(30)


def shares(events: Sequence[Measured], spans: Sequence[tuple[float, float]]) -> list[tuple[float, int]]:
    """Of each span of time, the share of the workers' time in which they had a job, and the runs that ended in it. A piece of a
    worker's time, from one record to the next, counts for as much of it as lies in the span."""
    found = []
    for start, end in spans:
        job = whole = 0.0
        runs, last = 0, dict[int, float]()
        for event in events:
            since = last.get(event.worker)
            last[event.worker] = event.at
            if since is not None and since < end and event.at > start:
                inside = (min(end, event.at) - max(start, since)) / (event.at - since)
                took = min(event.busy + sum(event.overhead.values()), event.at - since)
                job, whole, runs = job + inside * took, whole + inside * (event.at - since), runs + (event.at <= end)
        found.append((job / whole if whole else float("nan"), runs))
    return found


def viewers(turns: int, seconds: float, count: int, rounds: int) -> Iterator[Row]:
    """A night of two workers, watched by turns; `rounds` makes its program last."""
    heard, spans, before = list[tuple[int, int, int]](), list[tuple[float, float]](), os.environ.get("XDG_STATE_HOME")
    with tempfile.TemporaryDirectory(prefix="overnight-bench-web-") as place, ExitStack() as stack:
        os.environ["XDG_STATE_HOME"] = str(Path(place, "state"))
        stack.callback(lambda: os.environ.update({"XDG_STATE_HOME": before}) if before else os.environ.pop("XDG_STATE_HOME"))
        text = WORK.format(rounds=rounds) + files("noop")["train.py"]
        folder = written(Path(place, "track"), files("noop", **{"train.py": text, "track.toml": contract()})).folder
        night = stack.enter_context(subprocess.Popen(
            [sys.executable, "-m", "overnight.cli", "run", str(folder), "--workers", str(WORKERS), "--researcher", "placebo",
             "--for", "1h"], stdout=subprocess.DEVNULL))
        stack.callback(night.terminate)
        session = Session(folder)
        while not session.begun or session.journal.head[0] < 20:
            time.sleep(0.5)
            session = Session(folder)
        server = stack.enter_context(served(folder))
        for turn in range(2 * turns):
            with ExitStack() as watched:
                if turn % 2 == (turn // 2) % 2:  # there first in every other pair
                    watched.enter_context(crowd(server, Session(folder).journal.head[0], count, heard))
                    time.sleep(1.0)
                began = time.time()
                time.sleep(seconds)
                spans.append((began, time.time()))
        night.terminate()
        night.wait(60)
        runs = [event for event in Session(folder).journal.replay() if isinstance(event, Measured)]
    yield from cost(shares(runs, spans), heard, count)


def cost(found: Sequence[tuple[float, int]], heard: Sequence[tuple[int, int, int]], count: int) -> Iterator[Row]:
    """What the turns come to."""
    pairs = [found[at:at + 2][::1 if at % 4 == 0 else -1] for at in range(0, len(found), 2)]  # the watched turn first
    yield mean("workers have a job, unwatched", [100 * alone[0] for _, alone in pairs], unit="%")
    falls = [100 * (alone[0] - watched[0]) for watched, alone in pairs]
    yield mean(f"the fall with {count} viewers", falls, f"<= {FALL}", "points")
    yield ratio("runs that ended, watched / unwatched", [float(watched[1]) for watched, _ in pairs],
                [float(alone[1]) for _, alone in pairs])
    yield exact("viewers that stayed to the end of their turn", min(there for there, _, _ in heard), f">= {count}")
    yield exact("frames that each viewer got in a turn", sum(frames for _, _, frames in heard) / count / len(heard), ">= 1")
    yield exact("  as kB", sum(moved for _, moved, _ in heard) / count / len(heard) / 1000, unit="kB")


def seen_in_browser(experiments: int, visits: int, verdicts: int) -> Iterator[Row]:
    """The rows that need a browser, or one that says what is missing."""
    if program() is None:
        yield Row("pages are left out: apt-get install -y chromium", float("nan"), 0, 0, 0)
        return
    yield from middle(experiments, visits, verdicts)


def cells(quick: bool) -> Iterator[Cell]:
    """Pages at 10,000 experiments, a server at 100,000, viewers of a night; quick: all of it in small."""
    yield Cell("pages", partial(seen_in_browser, 100 if quick else MIDDLE, 1 if quick else 7, 1 if quick else 12))
    yield Cell("server", partial(large, SMALL if quick else LARGE, 1 if quick else 6))
    yield Cell("viewers", partial(viewers, 1 if quick else 8, 3.0 if quick else 20.0, 20 if quick else VIEWERS,
                                  ROUNDS // 10 if quick else ROUNDS))


BENCH = Bench("web", "Pages of 10,000 experiments within 1 s and 300 kB, verdicts seen within 1 s, 200 viewers cost a night "
              "under 2 points, 150 MB at 100,000.", cells, timed=True, uses=("overnight.cli", "overnight.web"))
