"""The snapshot file: believed where it fits, and never else; written by those who hold the track, whole or not at all."""

import hashlib
import os

import msgspec
import pytest

from fakes import held
from golden import nights
from overnight.errors import JournalError
from overnight.journal.database import DatabaseJournal
from overnight.lab import snapshot as states
from overnight.lab.events import Faulted
from overnight.lab.state import State
from overnight.night import keys, snapshot
from overnight.night.snapshot import DIGEST, Kept, Snapshot, code, replayed

NIGHT = nights.load("ordinary")
LAST = len(NIGHT) - 40  # the record that the snapshots of these tests end with


class Watched(DatabaseJournal):
    """Notes from which records on it was read."""

    def __init__(self, path):
        super().__init__(path)
        self.read = []

    def replay(self, after=0):
        self.read.append(after)
        return super().replay(after)


@pytest.fixture
def journal(tmp_path):
    opened = Watched(tmp_path / "journal.db")
    opened.extend(NIGHT[:LAST])
    yield opened
    opened.close()


@pytest.fixture
def path(tmp_path, journal):
    """A snapshot of the first records; the journal goes on behind it."""
    here = tmp_path / "state.snapshot"
    kept = Snapshot(here, behind=1)
    kept.keep(kept.open(journal, {}), journal)
    journal.extend(NIGHT[LAST:])
    journal.read.clear()
    return here


def opened(path, journal):
    """The state that a new process opens, which is always that of the whole record; and from which records on it replayed."""
    journal.read.clear()
    state = Snapshot(path).open(journal, {})
    assert held(state) == held(replayed(journal, State()))
    return state, journal.read[0]


def kept(path):
    return msgspec.msgpack.decode(path.read_bytes()[DIGEST:], type=Kept)


def put(path, whole):
    """A file that is whole, whatever it says."""
    body = msgspec.msgpack.encode(whole)
    path.write_bytes(hashlib.sha256(body).digest() + body)


def lies(path, **other):
    """A snapshot of another state than the journal tells, otherwise as it was."""
    whole = kept(path)
    state = states.decode(whole.state)
    state.notes, state.records = "a lie", other.get("seq", whole.seq)
    put(path, msgspec.structs.replace(whole, state=msgspec.Raw(states.encode(state)), **other))


def test_only_what_lies_behind_it_is_replayed(path, journal):
    state, after = opened(path, journal)
    assert after == LAST and state.records == len(NIGHT)


def test_a_snapshot_of_the_last_record_leaves_nothing_to_replay(path, journal):
    whole = Snapshot(path, behind=1)
    whole.keep(whole.open(journal, {}), journal)
    assert opened(path, journal)[1] == len(NIGHT) == kept(path).seq
    assert list(journal.replay(after=len(NIGHT))) == []


def test_what_is_believed_is_the_state_in_it(path, journal):
    """So the tests below would show a file that is believed wrongly."""
    lies(path)
    assert Snapshot(path).open(journal, {}).notes == "a lie"


@pytest.mark.parametrize("share", [0.0, 1, DIGEST - 1, DIGEST, DIGEST + 1, DIGEST + 80, 0.5, 0.99, -1])
def test_one_that_was_cut_is_never_believed(path, journal, share):
    whole = path.read_bytes()
    path.write_bytes(whole[:int(share * len(whole)) if isinstance(share, float) else share])
    assert opened(path, journal)[1] == 0


@pytest.mark.parametrize("place", [0, DIGEST - 1, DIGEST, DIGEST + 3, DIGEST + 70, DIGEST + 75, DIGEST + 150, 0.5, 0.9, -1])
def test_one_with_a_flipped_bit_is_never_believed(path, journal, place):
    whole = bytearray(path.read_bytes())
    whole[int(place * len(whole)) if isinstance(place, float) else place] ^= 1
    path.write_bytes(whole)
    assert opened(path, journal)[1] == 0


@pytest.mark.parametrize("other", [{"code": "0" * 64}, {"code": ""}, {"hash": "0" * 64}, {"hash": ""}, {"seq": LAST - 1},
                                   {"seq": LAST + 1}, {"seq": len(NIGHT) + 1, "hash": ""}, {"seq": 0, "hash": ""}, {"seq": -1}],
                         ids=str)
def test_one_of_other_code_or_another_record_is_never_believed(path, journal, other):
    lies(path, **other)
    assert opened(path, journal)[1] == 0


def test_one_that_holds_another_number_of_records_than_it_says_is_never_believed(path, journal):
    whole = kept(path)
    state = states.decode(whole.state)
    state.records -= 1
    put(path, msgspec.structs.replace(whole, state=msgspec.Raw(states.encode(state))))
    assert opened(path, journal)[1] == 0


def test_one_of_another_journal_is_never_believed(path, tmp_path):
    other = Watched(tmp_path / "other.db")
    other.extend([msgspec.structs.replace(NIGHT[0], key="another"), *NIGHT[1:]])
    assert opened(path, other)[1] == 0
    other.close()


@pytest.mark.parametrize("make", [lambda p: p.mkdir(), os.mkfifo, lambda p: p.symlink_to(p.with_name("copy")),
                                  lambda p: p.symlink_to(p), lambda p: p.write_bytes(b"words\n" * 1000), lambda p: None],
                         ids=["folder", "pipe", "link", "loop", "words", "nothing"])
def test_what_is_no_file_of_ours_is_never_believed(path, journal, make):
    path.with_name("copy").write_bytes(path.read_bytes())
    path.unlink()
    make(path)
    assert opened(path, journal)[1] == 0


def test_a_state_that_cannot_be_decoded_is_never_believed(path, journal):
    put(path, msgspec.structs.replace(kept(path), state=msgspec.Raw(b"\x93\x01\x02\x03")))
    assert opened(path, journal)[1] == 0


@pytest.mark.parametrize("spoil", [lambda p: p.write_bytes(b""), lambda p: lies(p, code="0" * 64), lambda p: lies(p, hash="0" * 64),
                                   lambda p: p.unlink()], ids=["cut", "code", "hash", "missing"])
def test_a_wrong_one_is_written_anew_by_a_writer(path, journal, spoil):
    spoil(path)
    writer = Snapshot(path, behind=1)
    writer.keep(writer.open(journal, {}), journal)
    assert opened(path, journal)[1] == len(NIGHT)


def test_opening_writes_nothing(path, journal):
    path.write_bytes(b"wrong")
    opened(path, journal)
    assert path.read_bytes() == b"wrong" and not path.with_name("state.snapshot.new").exists()


def test_it_is_written_where_much_would_have_to_be_replayed(path, journal):
    for behind, written in ((41, False), (40, True)):
        writer = Snapshot(path, behind)
        writer.keep(writer.open(journal, {}), journal)
        assert (kept(path).seq == len(NIGHT)) == written


def test_it_is_written_once_for_the_same_records(path, journal):
    writer = Snapshot(path, behind=1)
    state = writer.open(journal, {})
    writer.keep(state, journal)
    path.unlink()
    writer.keep(state, journal)
    assert not path.exists()


def test_a_state_that_is_ahead_of_its_journal_is_not_written(path, journal):
    writer, event = Snapshot(path, behind=1), Faulted(0.0, "measure", "the disk is full")
    state = writer.open(journal, {})
    state.apply(event)
    writer.keep(state, journal)
    assert kept(path).seq == LAST
    journal.extend([event])
    writer.keep(state, journal)
    assert kept(path).seq == len(NIGHT) + 1


def test_an_event_that_was_taken_up_in_part_counts(journal):
    state = replayed(journal, State())
    with pytest.raises(KeyError):
        state.apply(msgspec.structs.replace(next(e for e in NIGHT if type(e).__name__ == "Judged"), experiment=10**6))
    assert state.records == LAST + 1


def test_what_stands_in_its_way_is_replaced_and_not_followed(path, journal, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    path.unlink()
    path.symlink_to(victim)
    path.with_name("state.snapshot.new").symlink_to(victim)
    writer = Snapshot(path, behind=1)
    writer.keep(writer.open(journal, {}), journal)
    assert victim.read_text() == "mine" and not path.is_symlink() and opened(path, journal)[1] == len(NIGHT)


def test_where_it_cannot_be_written_all_goes_on(path, journal):
    path.unlink()
    path.mkdir()
    writer = Snapshot(path, behind=1)
    writer.keep(writer.open(journal, {}), journal)
    assert path.is_dir() and not path.with_name("state.snapshot.new").exists() and opened(path, journal)[1] == 0


def test_without_the_key_it_is_neither_believed_nor_written(tmp_path):
    here, key = tmp_path / "state.snapshot", NIGHT[0].key
    beside = {keys.digest(key): key}
    sealed = Watched(tmp_path / "journal.db")
    sealed.extend([msgspec.structs.replace(NIGHT[0], key="", key_hash=keys.digest(key)), *NIGHT[1:]])
    shut = Snapshot(here, behind=1)
    shut.keep(shut.open(sealed, {}), sealed)
    assert not here.exists()
    writer = Snapshot(here, behind=1)
    writer.keep(writer.open(sealed, beside), sealed)
    for known, after in ((beside, len(NIGHT)), ({}, 0)):
        sealed.read.clear()
        assert held(Snapshot(here).open(sealed, known)) == held(replayed(sealed, State(known))) and sealed.read[0] == after
    assert here.stat().st_mode & 0o777 == 0o600
    sealed.close()


def test_the_chain_behind_it_is_checked(path, journal):
    journal._kept.execute(f"UPDATE events SET body = replace(body, 'a', 'b') WHERE seq = {LAST + 3}")
    with pytest.raises(JournalError, match=f"record {LAST + 3}"):
        Snapshot(path).open(journal, {})


def test_a_record_that_was_taken_out_before_it_is_found_by_whoever_reads_all(path, journal):
    journal._kept.execute("DELETE FROM events WHERE seq = 7")
    assert Snapshot(path).open(journal, {}).records == len(NIGHT)
    with pytest.raises(JournalError, match="record 8"):
        replayed(journal, State())


def test_a_follower_from_a_record_that_was_taken_out_is_told(journal):
    journal._kept.execute("DELETE FROM events WHERE seq = 9")
    with pytest.raises(JournalError, match="altered"):
        list(journal.replay(after=9))


def test_the_code_that_replays_is_all_in_the_hash():
    from test_architecture import FILES, graph
    needed, new = set(), {"overnight.lab.state", "overnight.lab.snapshot", "overnight.lab.events"}
    while new:
        needed |= new
        new = {other for module in new for other in graph()[module]} - needed - {"overnight"}
    hashed = set(snapshot._sources(FILES["overnight"].parent))
    assert {FILES[module] for module in needed} - hashed == set()
    assert len(needed) > 25 and len(code()) == 64
