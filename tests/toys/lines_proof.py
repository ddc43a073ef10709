"""JSON lines keep a journal."""

from fakes import FakeWorld, Night, referee_world
from overnight import journal
from overnight.testing.journal import JournalSuite, some


class TestLines(JournalSuite):
    def open(self, folder, track=""):
        return journal.open(f"lines:///{folder}", track)

    def records(self, folder):
        return [(text.encode(), said) for said, text in journal.lines._records((folder / "track-.jsonl").read_bytes())]

    def rewrite(self, folder, records):
        whole = journal.lines.msgspec.json.encode([(said, body.decode()) for body, said in records])
        (folder / "track-.jsonl").write_bytes(whole + b"\n")

    def outdate(self, folder):
        (folder / "version").write_text("99")


def test_a_line_that_was_cut_short_was_never_written(tmp_path):
    kept = journal.open(f"lines:///{tmp_path}")
    kept.extend(some(3))
    with kept.path.open("ab") as file:
        file.write(b'[["0000')
    again = journal.open(f"lines:///{tmp_path}")
    again.extend(some(1, 4))
    assert list(journal.open(f"lines:///{tmp_path}").replay()) == some(4)


def test_a_night_is_recorded_in_it_and_goes_on_from_it(tmp_path):
    where, world = f"lines:///{tmp_path}", FakeWorld(3, referee_world)
    first, record = Night(world).go(experiments=12), journal.open(where)
    for batch in first.batches:
        record.extend(batch)
    past = list(journal.open(where).replay())
    assert past == first.events
    assert len(Night(world, past=past).go(experiments=5).lab.state.experiments) == 12 + 5
