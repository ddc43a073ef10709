"""What every journal must do, as tests: a new backend inherits them.

    from overnight.testing.journal import JournalSuite

    class TestMine(JournalSuite):
        def open(self, folder, track=""): ...      # a journal of this track, in the one database that belongs to the folder
        def records(self, folder): ...             # what is stored of the track "": (body, hash) of each record, in order
        def rewrite(self, folder, records): ...    # store these in their stead, behind the journal's back
        def outdate(self, folder): ...             # have it say that a newer Overnight wrote it

What a journal has besides (StoresBodies, HoldsTrack, RingsBell of overnight.contracts) is tested where it has it. Nothing here
imports pytest; it collects the class, and gives `tmp_path`.
"""

from __future__ import annotations

import hashlib
import select
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from overnight.contracts import HoldsTrack, Journal, RingsBell, StoresBodies
from overnight.errors import Busy, Conflict, JournalError, OvernightError
from overnight.lab.events import Event, Faulted

Records = list[tuple[bytes, str]]
ALTERATIONS: dict[str, Callable[[Records], Records]] = {
    "another hash": lambda r: [*r[:2], (r[2][0], "0" * 64), *r[3:]],
    "a record less": lambda r: [r[0], *r[2:]],
    "a body twice": lambda r: [*r[:2], (r[3][0], r[2][1]), *r[3:]],
    "another order": lambda r: [r[0], r[2], r[1], *r[3:]],
    "a record slipped in": lambda r: [*r[:2], r[1], *r[2:]],
}


def some(count: int, first: int = 1) -> list[Event]:
    """Events that differ, numbered from `first` on."""
    return [Faulted(float(number), "measure", f"reason {number}") for number in range(first, first + count)]


def refused(kind: type[OvernightError], act: Callable[[], Any]) -> str:
    """The sentence with which it is refused."""
    try:
        act()
    except kind as error:
        return str(error)
    raise AssertionError(f"no {kind.__name__} was raised")


class JournalSuite:
    """What is acknowledged is there, in order and whole; what was altered is seen."""

    def open(self, folder: Path, track: str = "") -> Journal[Event]:
        """A journal of a track, in the one database that belongs to a folder."""
        raise NotImplementedError

    def records(self, folder: Path) -> Records:
        """What is stored of the track "": the body and the hash of each record, in order."""
        raise NotImplementedError

    def rewrite(self, folder: Path, records: Records) -> None:
        """Store these in their stead, behind the journal's back."""
        raise NotImplementedError

    def outdate(self, folder: Path) -> None:
        """Have the database say that a newer Overnight wrote it."""
        raise NotImplementedError

    def filled(self, folder: Path, count: int = 5) -> Journal[Event]:
        """A journal with some events."""
        journal = self.open(folder)
        journal.extend(some(count))
        return journal

    def test_an_empty_journal_has_nothing_and_takes_nothing(self, tmp_path: Path) -> None:
        journal = self.open(tmp_path)
        journal.extend([])
        assert journal.head == (0, "0" * 64) and list(journal.replay()) == []

    def test_what_is_written_is_read_back_in_order_after_close_and_reopening(self, tmp_path: Path) -> None:
        journal = self.filled(tmp_path)
        journal.extend(some(2, 6), expected_seq=5)
        head = journal.head
        journal.close()
        again = self.open(tmp_path)
        assert list(again.replay()) == some(7) and again.head == head

    def test_large_and_foreign_text_comes_back_as_it_was(self, tmp_path: Path) -> None:
        event = Faulted(1.0, "measure", "ä漢🌙\u2028\x00" * 100_000)
        self.open(tmp_path).extend([event])
        assert list(self.open(tmp_path).replay()) == [event]

    def test_all_or_none_is_written(self, tmp_path: Path) -> None:
        journal = self.filled(tmp_path)
        self.open(tmp_path).extend(some(1, 6))
        refused(Conflict, lambda: journal.extend(some(3, 6)))
        assert list(self.open(tmp_path).replay()) == some(6)

    def test_another_expected_record_is_a_conflict(self, tmp_path: Path) -> None:
        journal = self.filled(tmp_path)
        for wrong in (0, 4, 6):
            assert "meanwhile" in refused(Conflict, lambda wrong=wrong: journal.extend(some(1), wrong))  # type: ignore[misc]
        assert journal.head[0] == 5 and list(journal.replay()) == some(5)

    def test_a_writer_that_has_read_on_may_write(self, tmp_path: Path) -> None:
        journal = self.filled(tmp_path)
        self.open(tmp_path).extend(some(1, 6))
        journal.extend(some(1, 7), expected_seq=6)
        assert list(journal.replay()) == some(7)

    def test_of_writers_that_race_one_wins(self, tmp_path: Path) -> None:
        self.filled(tmp_path)
        journals, together = [self.open(tmp_path) for _ in range(4)], threading.Barrier(4)

        def write(journal: Journal[Event]) -> bool:
            together.wait()
            try:
                journal.extend(some(2, 6), expected_seq=5)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(4) as many:
            assert sum(many.map(write, journals)) == 1
        assert list(self.open(tmp_path).replay()) == some(7)

    def test_an_altered_past_is_seen(self, tmp_path: Path) -> None:
        for name, altered in ALTERATIONS.items():
            folder = tmp_path / name
            folder.mkdir()
            self.filled(folder).close()
            self.rewrite(folder, altered(self.records(folder)))
            assert "altered" in refused(JournalError, lambda folder=folder: list(self.open(folder).replay())), name  # type: ignore[misc]

    def test_what_is_stored_again_as_it_was_is_no_alteration(self, tmp_path: Path) -> None:
        self.filled(tmp_path).close()
        self.rewrite(tmp_path, self.records(tmp_path))
        assert list(self.open(tmp_path).replay()) == some(5)

    def test_a_follower_reads_only_what_is_new(self, tmp_path: Path) -> None:
        journal, follower = self.filled(tmp_path), self.open(tmp_path)
        assert list(follower.replay(after=5)) == []
        journal.extend(some(2, 6))
        assert list(follower.replay(after=5)) == some(2, 6)
        assert list(follower.replay(after=6)) == some(1, 7)
        assert follower.head[0] == 5 and follower.latest() == journal.head == journal.latest()

    def test_tracks_are_apart(self, tmp_path: Path) -> None:
        one, other = self.filled(tmp_path), self.open(tmp_path, "other")
        other.extend(some(2, 9))
        one.extend(some(1, 6))
        assert list(self.open(tmp_path).replay()) == some(6)
        assert list(self.open(tmp_path, "other").replay()) == some(2, 9)
        assert list(self.open(tmp_path, "third").replay()) == []

    def test_the_head_pins_the_past(self, tmp_path: Path) -> None:
        one, same, other = (self.open(tmp_path, name) for name in "abc")
        one.extend(some(3))
        same.extend(some(3))
        other.extend([*some(1, 9), *some(2, 2)])
        assert one.head == same.head != other.head

    def test_a_record_is_known_by_its_number_and_hash(self, tmp_path: Path) -> None:
        journal = self.open(tmp_path)
        journal.extend(some(1))
        first = journal.head[1]
        journal.extend(some(1, 2))
        assert [journal.hash_of(number) for number in range(4)] == [None, first, journal.head[1], None]

    def test_a_newer_version_is_refused(self, tmp_path: Path) -> None:
        self.filled(tmp_path).close()
        self.outdate(tmp_path)
        assert "newer" in refused(JournalError, lambda: self.open(tmp_path))

    def test_each_hash_covers_the_record_before(self, tmp_path: Path) -> None:
        self.filled(tmp_path).close()
        before = "0" * 64
        for body, said in self.records(tmp_path):
            before = hashlib.sha256(before.encode() + body).hexdigest()
            assert said == before

    def test_an_append_that_breaks_off_leaves_nothing(self, tmp_path: Path) -> None:
        journal = self.filled(tmp_path)
        unwritable: Any = [*some(2, 6), object()]
        try:
            journal.extend(unwritable)
        except TypeError:
            pass
        else:
            raise AssertionError("an object that is no event was written")
        assert journal.latest()[0] == 5
        journal.extend(some(1, 6))
        assert list(self.open(tmp_path).replay()) == some(6)

    def test_a_cut_end_is_no_alteration_but_another_head(self, tmp_path: Path) -> None:
        whole = self.filled(tmp_path)
        whole.close()
        self.rewrite(tmp_path, self.records(tmp_path)[:3])
        cut = self.open(tmp_path)
        assert list(cut.replay()) == some(3) and cut.head[0] == 3 and cut.hash_of(5) is None

    def test_an_alteration_is_seen_by_a_follower_that_reads_it(self, tmp_path: Path) -> None:
        self.filled(tmp_path).close()
        records = self.records(tmp_path)
        self.rewrite(tmp_path, [*records[:3], (records[0][0], records[3][1]), records[4]])
        journal = self.open(tmp_path)
        assert "altered" in refused(JournalError, lambda: list(journal.replay(after=2)))

    def test_it_is_read_while_it_is_written(self, tmp_path: Path) -> None:
        journal, reader, over = self.open(tmp_path), self.open(tmp_path), threading.Event()

        def write() -> None:
            for number in range(1, 61, 3):
                journal.extend(some(3, number))
            over.set()

        writer = threading.Thread(target=write)
        writer.start()
        seen = list[Event]()
        while not over.is_set() or len(seen) < 60:
            seen += reader.replay(after=len(seen))
            assert len(seen) % 3 == 0  # whole appends
        writer.join()
        assert seen == some(60)

    def test_a_replay_that_has_begun_is_not_disturbed_by_an_append(self, tmp_path: Path) -> None:
        journal = self.filled(tmp_path)
        reading = journal.replay()
        first = next(reading)
        journal.extend(some(2, 6))
        assert [first, *reading][:5] == some(5)

    def test_bodies_are_copied_byte_for_byte(self, tmp_path: Path) -> None:
        journal, copy = self.filled(tmp_path), self.open(tmp_path, "copy")
        if not isinstance(journal, StoresBodies) or not isinstance(copy, StoresBodies):
            return
        assert list(journal.bodies(after=3)) == [body for body, _ in self.records(tmp_path)][3:]
        copy.append(list(journal.bodies()), expected_seq=0)
        assert copy.latest() == journal.head and list(copy.replay()) == some(5)
        refused(Conflict, lambda: copy.append([b"{}"], expected_seq=3))

    def test_the_lock_has_one_holder(self, tmp_path: Path) -> None:
        journal, second, other = self.filled(tmp_path), self.open(tmp_path), self.open(tmp_path, "other")
        if not isinstance(journal, HoldsTrack) or not isinstance(second, HoldsTrack) or not isinstance(other, HoldsTrack):
            return
        journal.hold()
        assert "at work on this track" in refused(Busy, second.hold)
        other.hold()
        journal.close()
        second.hold()
        second.extend(some(1, 6))
        refused(Busy, journal.hold)

    def test_a_bell_rings_for_each_append_to_its_track(self, tmp_path: Path) -> None:
        journal, follower, other = self.filled(tmp_path), self.open(tmp_path), self.open(tmp_path, "other")
        if not isinstance(follower, RingsBell):
            return
        bell = follower.bell()
        try:
            other.extend(some(1))
            assert not select.select([bell], [], [], 0.2)[0] and not bell.clear()
            journal.extend(some(2, 6))
            assert select.select([bell], [], [], 10)[0] and bell.clear() and not bell.clear()
            assert list(follower.replay(after=5)) == some(2, 6)
        finally:
            bell.close()
