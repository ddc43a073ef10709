"""The parts of pages that change while a night goes on: what the live stream sends."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from overnight.night import now as night
from overnight.report import tables
from overnight.report.figures import of_progress
from overnight.report.svg.axes import decimals
from overnight.report.svg.progress import Look
from overnight.untrusted import plain
from overnight.views import headline as views
from overnight.views.experiment import ExperimentView
from overnight.views.jobs import JobView
from overnight.views.rows import measured, named
from overnight.web import answers as given
from overnight.web.budget import facts
from overnight.web.rendering import html, minutes, moment
from overnight.web.seen import Seen

LAST, NEXT, MOST_JOBS = 8, 5, 16  # verdicts, open experiments and jobs that the night shows
MOST_AT_ONCE = 32  # verdicts that one moment may have


def known(seen: Seen) -> dict[str, object]:
    """What every fragment may show."""
    return {"home": f"/t/{quote(seen.name)}/", "full": seen.full, "live": seen.live, "places": places(seen)}


def places(seen: Seen) -> int:
    """The decimals of a difference of this track's metric: so many that the largest gain has three figures."""
    places: int = seen.once("places", lambda: decimals(measured(seen.history)))
    return places


def times_of(seen: Seen, at: float) -> str:
    """When something was."""
    return moment(at, seen.state.opened.at if seen.state.opened else 0.0, seen.state.usage.last)


def times(seen: Seen, among: list[ExperimentView] | tuple[ExperimentView, ...], proposed: bool = False) -> dict[int, str]:
    """When each was judged, or proposed."""
    known = {each.id: each.proposed_at if proposed else each.judged_at for each in among}
    return {number: "–" if at is None else times_of(seen, at) for number, at in known.items()}


def live(seen: Seen) -> str:
    """Whether a night is at work."""
    state = seen.state
    lasted = minutes(state.usage.seconds)
    words = f"ended after {lasted}" if not seen.live else f"paused after {lasted}" if state.paused else f"at work, {lasted}"
    return html("parts/live.html", live=seen.live, paused=state.paused, judged=state.judged, words=words)


def foot(seen: Seen) -> str:
    """Where all this is recorded."""
    boxes = ", ".join(sorted(seen.state.usage.sandboxes))
    return html("parts/foot.html", **known(seen), seq=seen.seq, head=seen.head if seen.full else "", sandbox=boxes)


def answers(seen: Seen) -> str:
    """The four answers."""
    return html("parts/answers.html", **known(seen), answers=given.answers(seen))


def headline(seen: Seen) -> str:
    """The night in a sentence."""
    track = seen.history.track
    warnings = [each for each in (track.problem, track.overload) if each]
    levels = " → ".join(tables.levels(track)) if track.kept else tables.levels(track)[0]
    return html("parts/headline.html", line=views.headline(track, given.found(seen)), metric=track.metric, levels=levels,
                better="lower" if track.direction == "minimize" else "higher", goal=plain(track.goal, 400), warnings=warnings)


def chart(seen: Seen, window: tuple[float, float] | None = None) -> str:
    """The chart of progress, or a part of it."""
    if seen.history.track.baseline is None:
        return html("parts/no_chart.html", live=seen.live)
    if window:
        return _chart(seen, window)
    return str(seen.once(("chart", seen.full, seen.live), lambda: _chart(seen, None)))


def _chart(seen: Seen, window: tuple[float, float] | None) -> str:
    home = f"/t/{quote(seen.name)}/"
    look = Look("progress", f"{home}experiments/{{id}}", f"{home}findings", window, seen.live, zooms=True,
                tip=f"/api/v1/tracks/{quote(seen.name)}/progress/{{id}}")
    return of_progress(seen.history, look)


def feed(seen: Seen) -> str:
    """The last verdicts, newest first."""
    newest = named(seen.history.experiments, [each.id for each in seen.state.pasts.items[-MOST_AT_ONCE:]])
    judged = [each for each in newest.values() if each.verdict.verdict != "open"]
    last = sorted(judged, key=lambda each: (each.judged_at or 0.0, each.id), reverse=True)[:LAST]
    return html("parts/feed.html", **known(seen), last=last, times=times(seen, last))


def following(seen: Seen) -> str:
    """What is open, those with the most evidence first."""
    waits = [*named(seen.history.experiments, seen.state.open).values()]
    waits.sort(key=lambda each: (-each.verdict.fresh_pairs, -each.verdict.pairs, each.id))
    return html("parts/next.html", **known(seen), line=waits[:NEXT], open=len(waits))


def jobs(seen: Seen) -> str:
    """What runs now."""
    now = night.read(seen.session.home) if seen.live else None
    under_way = [_job(seen, each) for each in now.jobs[:MOST_JOBS]] if now else []
    more = len(now.jobs) + now.more - len(under_way) if now else 0
    return html("parts/jobs.html", **known(seen), jobs=under_way, more=more, places_in_all=now.places if now else 0,
                paused=seen.state.paused, api=f"/api/v1/tracks/{quote(seen.name)}")


def _job(seen: Seen, job: JobView) -> dict[str, object]:
    """A job that is under way, with how far it is thought to be."""
    chosen = seen.state.experiments.get(job.experiment or 0) if job.stage != "explore" else None
    done = max(0.0, seen.now - job.began)
    words = job.words if job.run is None else f"run {job.run}, {job.words}"
    said = f"{done:.1f} s of about {job.expected:.1f} s" if job.expected else f"{done:.1f} s"
    return {"key": job.number, "experiment": chosen.id if chosen else 0, "title": chosen.title if chosen else job.researcher,
            "words": words, "began": round(job.began, 2), "expected": job.expected and round(job.expected, 2),
            "done": round(min(done, job.expected or 0.0), 2), "said": said}


def budget(seen: Seen) -> str:
    """What is used."""
    return html("parts/budget.html", facts=facts(seen, places(seen)))


# id -> what makes the HTML within the element of that id
FRAGMENTS: dict[str, Callable[[Seen], str]] = {
    "live": live, "headline": headline, "answers": answers, "chart": chart, "feed": feed, "jobs": jobs,
    "budget": budget, "next": following, "foot": foot,
}
