"""What is new, sent as it comes: the same bytes for all, what was missed, and when a page is to be loaded again."""

import json

import anyio
import pytest

from bench import long
from conftest import home
from overnight.journal import open as open_journal
from overnight.lab.events import Noted
from overnight.night.session import Session
from overnight.web import live
from overnight.web.live import Hub
from overnight.web.problems import Refused
from overnight.web.tracks import Tracks

NEEDS = "git"
SHOWN = {"seq": lambda seen: f"<b>{seen.seq}</b>", "full": lambda seen: f"{seen.full}", "chart": lambda seen: f"chart {seen.seq}"}


@pytest.fixture
def track(tmp_path):
    return long.write(tmp_path / "long", 12).repo.folder


def note(folder, count=1):
    """Let records come."""
    state = Session(folder).read()
    journal = open_journal(home(folder) / "journal.db")
    journal.extend([Noted(1.0, state.ideas.next + n, f"idea {n}", "", "person") for n in range(count)])
    journal.close()


def on(track, test, fragments=SHOWN):
    """Run an async test with a hub that follows a track."""
    async def run():
        tracks = Tracks([track])
        hub = Hub(tracks, fragments)
        async with anyio.create_task_group() as tasks:
            tracks.begin(tasks)
            tasks.start_soon(hub.run)
            with anyio.fail_after(60):
                await tracks.shown("long", True, lambda seen: seen.seq)  # it is loaded
                await test(hub, next(iter(tracks)))
            hub.close()
            tasks.cancel_scope.cancel()
        tracks.close()

    anyio.run(run)


async def some(stream, event="", within=20.0):
    """Frames until one of an event: [(event, id, data)]."""
    found = []
    with anyio.fail_after(within):
        async for raw in stream:
            for frame in raw.decode().split("\n\n"):
                lines = dict(line.split(": ", 1) for line in frame.splitlines() if line[:1] != ":")
                if "event" in lines:
                    found.append((lines["event"], int(lines["id"]), json.loads(lines["data"])))
            if any(each[0] == event or each[2].get("id") == event for each in found):
                break
    return found


def test_a_viewer_is_sent_each_fragment_and_then_what_changes_alone(track):
    async def test(hub, followed):
        stream = await hub.stream("long", True, None)
        first = await some(stream, "chart")
        assert {each[2]["id"] for each in first} == set(SHOWN)
        note(track)
        await anyio.sleep(0)
        later = await some(stream, "seq")
        assert [each[2]["id"] for each in later] == ["seq"]  # the chart has its own pace, the other has not changed
        assert later[0][1] == followed.follower.seq and later[0][2]["html"] == f"<b>{followed.follower.seq}</b>"

    on(track, test)


def test_a_part_of_a_page_that_fails_once_ends_neither_the_stream_nor_the_server(track):
    faults = []

    def shown(seen):
        if seen.seq > first[0] and not faults:
            faults.append(seen.seq)
            raise ZeroDivisionError
        return f"<b>{seen.seq}</b>"

    first = [1 << 30]

    async def test(hub, followed):
        stream = await hub.stream("long", True, None)
        await some(stream, "seq")
        first[0] = followed.follower.seq
        note(track)
        assert (await some(stream, "seq"))[0][2]["html"] == f"<b>{followed.follower.seq}</b>" and faults

    on(track, test, {"seq": shown})


def test_the_chart_follows_at_its_own_pace_though_nothing_else_happens(track, monkeypatch):
    monkeypatch.setattr(live, "CHART_PAUSE", 1.0)

    async def test(hub, followed):
        stream = await hub.stream("long", True, None)
        await some(stream, "chart")
        note(track)
        assert (await some(stream, "chart"))[-1][2]["html"] == f"chart {followed.follower.seq}"

    on(track, test)


def test_all_viewers_of_a_kind_are_handed_the_same_bytes_rendered_once(track):
    calls = []

    def counted(seen):
        calls.append(seen.full)
        return f"{seen.seq} {'all' if seen.full else 'public'}"

    async def test(hub, followed):
        streams = [await hub.stream("long", full, None) for full in (True, True, False, False)]
        for each in streams:
            await some(each, "x")
        calls.clear()
        viewers = list(hub._channels["long"].viewers)
        note(track)
        while not all(viewer._frames for viewer in viewers):
            await anyio.sleep(0.01)
        frames = {full: [viewer._frames[0] for viewer in viewers if viewer.full is full] for full in (True, False)}
        assert frames[True][0] is frames[True][1] and frames[False][0] is frames[False][1] and frames[True][0] != frames[False][0]
        assert sorted(calls) == [False, True]
        for full in (True, False):
            await hub.stream("long", full, None)
        assert sorted(calls) == [False, True]  # one more viewer costs no rendering

    on(track, test, {"x": counted})


def test_a_viewer_that_slept_gets_what_it_missed_and_one_that_knows_all_gets_nothing(track):
    async def test(hub, followed):
        stream = await hub.stream("long", True, None)
        await some(stream, "seq")
        slept = followed.follower.seq
        await stream.aclose()
        note(track, 3)
        while followed.follower.seq == slept:
            await anyio.sleep(0.05)
        back = await some(await hub.stream("long", True, slept), "seq")
        assert "seq" in [each[2]["id"] for each in back] and "full" not in [each[2]["id"] for each in back]
        viewer = await hub._channels["long"].joined(True, followed.follower.seq)
        assert not viewer._frames

    on(track, test)


def test_what_changes_without_a_record_is_sent_to_each_viewer_that_joins(track):
    shown = {"live": lambda seen: "a night is at work", "feed": lambda seen: f"{seen.seq}"}

    async def test(hub, followed):
        first = await hub.stream("long", True, None)
        await some(first, "feed")  # all is drawn at this record
        told = await some(await hub.stream("long", True, followed.follower.seq), "live")
        assert [each[2]["id"] for each in told] == ["live"]

    on(track, test, shown)


@pytest.mark.parametrize("after", [-1, 10**6])
def test_a_viewer_that_is_too_far_behind_or_ahead_loads_its_page_again(track, after):
    async def test(hub, followed):
        note(track, live.MOST_BEHIND + 10)
        while followed.follower.seq < live.MOST_BEHIND + 10:
            await anyio.sleep(0.05)
        known = 1 if after < 0 else after
        assert [each[0] for each in await some(await hub.stream("long", True, known), "reload")] == ["reload"]
        assert hub.viewers == 0

    on(track, test)


def test_a_viewer_that_does_not_read_is_told_to_load_again_and_holds_up_no_other(track, monkeypatch):
    monkeypatch.setattr(live, "MOST_FRAMES", 2)
    monkeypatch.setattr(live, "PAUSE", 0.01)

    async def test(hub, followed):
        slow, quick = await hub.stream("long", True, None), await hub.stream("long", True, None)
        await some(quick, "seq")
        await anext(slow)
        for _ in range(4):
            seq = followed.follower.seq
            note(track)
            assert (await some(quick, "seq"))[-1][1] > seq
        assert (await some(slow, "reload"))[-1][0] == "reload"
        assert hub.viewers == 1

    on(track, test, {"seq": SHOWN["seq"]})


def test_a_track_that_begins_anew_has_every_page_loaded_again(track):
    async def test(hub, followed):
        stream = await hub.stream("long", True, None)
        await some(stream, "seq")
        with Session(track).writing(again=True):
            pass
        assert (await some(stream, "reload"))[-1][0] == "reload"

    on(track, test)


def test_there_is_room_for_so_many_viewers(track, monkeypatch):
    monkeypatch.setattr(live, "MOST_VIEWERS", 3)

    async def test(hub, followed):
        streams = [await hub.stream("long", True, None) for _ in range(3)]
        with pytest.raises(Refused) as refused:
            await hub.stream("long", True, None)
        assert refused.value.status == 503 and refused.value.headers["retry-after"]
        await anext(streams[0])
        await streams[0].aclose()
        await hub.stream("long", True, None)

    on(track, test)


def test_silence_is_broken_and_the_end_of_the_server_ends_every_stream(track, monkeypatch):
    monkeypatch.setattr(live, "SILENCE", 0.2)

    async def test(hub, followed):
        stream = await hub.stream("long", True, followed.follower.seq)
        assert await anext(stream) == b"retry: 2000\n\n"
        assert await anext(stream) == b": \n\n"
        hub.close()
        assert [each async for each in stream] in ([], [b""])
        with pytest.raises(Refused):
            await hub.stream("long", True, None)

    on(track, test)


def test_nothing_is_rendered_while_nobody_looks(track):
    calls = []

    async def test(hub, followed):
        note(track)
        await anyio.sleep(1)
        assert not calls

    on(track, test, {"x": lambda seen: calls.append(1) or ""})
