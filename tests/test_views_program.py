"""The program: its versions, one written from outside, and the queue of ideas in an order of one's own."""

import time

import pytest

from conftest import LITTLE, overnight, repository
from fakes import FakeWorld, Idea
from fakes import Night as Simulated
from golden import nights
from overnight.errors import TrackError
from overnight.lab.events import Moved, Noted, Ordered, Organised, Programmed
from overnight.lab.jobs import AddIdea, Checked, MoveIdea, WriteProgram
from overnight.lab.lab import Lab
from overnight.lab.queue import Ideas
from overnight.lab.state import State
from overnight.night import dispatch, written
from overnight.night.inbox import request
from overnight.night.session import Session
from overnight.track.program import Watch
from overnight.views.ideas import ideas
from overnight.views.program import difference, program

NEEDS = "night"
TEAM = "---\nresearchers: [knobs, placebo]\n---\nTry small steps.\n"


# ---- a program that is written in the place of the file's ------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    """A program.md."""
    path = tmp_path / "program.md"
    path.write_text(TEAM)
    return path


def test_a_text_is_in_force_until_the_file_is_edited(file):
    watch = Watch(file)
    before, digest = watch.program.sha256, watch.digest
    found = watch.write("Be bold.\n")
    assert (watch.program.prose, watch.text, watch.written, watch.digest) == ("Be bold.\n",) * 3 + (digest,)
    assert found.sha256 not in ("", before) and watch.look() is None and file.read_text() == TEAM
    file.write_text(TEAM + "More.\n")
    assert watch.look().prose == "Try small steps.\nMore.\n" and watch.written == ""


def test_a_text_stays_in_force_where_a_file_of_a_role_is_edited(tmp_path):
    (tmp_path / "program.md").write_text("old")
    (tmp_path / "role.md").write_text("one")
    watch = Watch(tmp_path / "program.md")
    watch.write("---\nroles:\n  ada: {kind: knobs}\n  bob: {kind: llm, model: 'openai:x', prose: role.md}\n---\nnew\n")
    before = watch.program.sha256
    (tmp_path / "role.md").write_text("one and two")
    assert watch.look().sha256 != before and watch.written


@pytest.mark.parametrize("text", ["---\nresearchers: [nobody-knows]\n---\n", "---\n[\n---\n", "x" * (1 << 21)])
def test_a_text_that_is_no_program_changes_nothing(file, text):
    watch = Watch(file)
    with pytest.raises(TrackError):
        watch.read(text)
    with pytest.raises(TrackError):
        watch.write(text)
    assert watch.written == "" and watch.program.prose == "Try small steps.\n"


# ---- the order -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("checked", "if_match", "said"), [
    (None, "", "no night looked at it"), (Checked("s", "", "now", ""), "before", "another program is in force by now (now)"),
    (Checked(wrong="it names no researcher."), "", "it names no researcher"),
])
def test_a_program_that_does_not_fit_is_declined(checked, if_match, said):
    lab = Simulated(FakeWorld(1)).lab
    event, = lab.hear(WriteProgram("1-a", "text", if_match, checked=checked), 1.0)
    assert isinstance(event, Ordered) and said in event.reason and lab.state.written is None


def test_a_program_is_recorded_and_what_the_file_says_later_ends_it():
    lab = Simulated(FakeWorld(1)).lab
    event, = lab.hear(WriteProgram("1-a", "text", "old", "ana\x1b[2J", Checked("s", "o", "old")), 1.0)
    assert event == Programmed(1.0, "text", "s", "o", "ana", "1-a") and lab.state.written == event
    lab.apply(Organised(2.0, "s", {}, written=True))
    assert lab.state.written == event
    lab.apply(Organised(3.0, "t", {}, "file"))
    assert lab.state.written is None and lab.hear(WriteProgram("1-a", "again", "t"), 4.0) == []


def test_an_order_is_checked_by_the_night_whatever_it_says_itself(tmp_path):
    session = Session(repository(tmp_path / "little", LITTLE | {"program.md": TEAM}))
    forged = WriteProgram(request(), "---\nresearchers: [nobody-knows]\n---\n", "", checked=Checked("s", "", ""))
    assert "nobody-knows" in written.checked(session, forged).checked.wrong
    good = written.checked(session, WriteProgram(request(), "Go.", session.program.sha256)).checked
    assert (good.in_force, good.over, good.wrong) == (session.program.sha256, session.watch.digest, "")


def test_without_a_night_at_work_the_next_one_begins_with_what_was_written_and_the_file_stays(tmp_path):
    folder = repository(tmp_path / "little", LITTLE | {"program.md": TEAM})
    text = "---\nresearchers: [placebo]\n---\nBe bold.\n"
    done = dispatch.order(Session(folder), WriteProgram(request(), text, Session(folder).program.sha256, "ana"))
    assert isinstance(done, Programmed) and (folder / "program.md").read_text() == TEAM
    again = Session(folder)
    assert again.look().written == done and again.program.sha256 == done.sha256 and again.program.researchers == ("placebo",)
    with pytest.raises(TrackError, match="another program is in force"):
        dispatch.order(Session(folder), WriteProgram(request(), "Go.", "0" * 64))
    run = overnight("run", folder, "--experiments", "1", "--sandbox", "none", "--json")
    assert run.returncode == 0, run.stderr
    found = written.shown(Session(folder))
    assert (found.pending, found.text, found.in_force) == (True, text, done.sha256)
    version, = found.versions
    assert (version.source, version.by, version.experiments, version.in_force) == ("outside", "ana", 1, True)
    assert version.roles == {"placebo": "placebo"} and (folder / "program.md").read_text() == TEAM
    assert "holds the version that is in force" in overnight("program", folder, "--write").stdout
    assert (folder / "program.md").read_text() == text and not written.shown(Session(folder)).pending
    (folder / "program.md").write_text(TEAM)
    assert overnight("run", folder, "--experiments", "1", "--sandbox", "none", "--json").returncode == 0
    found = written.shown(Session(folder))
    assert [each.source for each in found.versions] == ["outside", "file"] and found.versions[1].text == TEAM
    assert "+Try small steps." in overnight("program", folder, "--diff", "2").stdout


# ---- versions --------------------------------------------------------------------------------------------------


def test_versions_are_told_with_what_came_of_them():
    found = program(nights.load("steered"))
    assert [(each.source, each.by, each.text) for each in found.versions] == [
        ("outside", "ana", "Be bold."), ("file", "", "What the file says.")]  # one was declined
    assert [each.in_force for each in found.versions] == [False, True] and found.text == "What the file says."
    assert sum(each.experiments for each in found.versions) > 0
    shown = difference(found.versions[0], found.versions[1])
    assert "-Be bold.\n+What the file says.\n" in shown
    assert difference(found.versions[0], found.versions[0]) == ""


def test_a_journal_without_texts_has_versions_without_texts():
    found = program(nights.load("team"))
    assert [(each.text, each.source) for each in found.versions] == [(None, "file")] and found.versions[0].roles


# ---- ideas -----------------------------------------------------------------------------------------------------


def queue(*sources):
    """A queue of ideas from these."""
    found = Ideas()
    for number, source in enumerate(sources, 1):
        found.noted(Noted(0.0, number, f"idea {number}", source=source))
    return found


def waiting(found):
    return [entry.id for entry in found.waiting()]


def test_ideas_wait_as_they_always_did_until_one_is_moved():
    assert waiting(queue("role a", "person", "role a", "person")) == [2, 4, 1, 3]


@pytest.mark.parametrize(("idea", "position", "order"), [
    (3, 1, [3, 2, 4, 1]), (2, 2, [4, 2, 1, 3]), (2, 4, [4, 1, 3, 2]), (2, 99, [4, 1, 3, 2]), (1, 3, [2, 4, 1, 3])])
def test_an_idea_is_moved_to_its_place(idea, position, order):
    found = queue("role a", "person", "role a", "person")
    found.moved(Moved(1.0, idea, position))
    assert waiting(found) == order


def test_what_is_moved_to_the_front_is_tried_next_and_a_persons_next_idea_comes_behind_theirs():
    found = queue("role a", "person", "role a")
    found.moved(Moved(1.0, 3, 1))
    assert [found.lease((), asked).id for asked in range(6)] == [3] * 6
    found.noted(Noted(2.0, 4, "later"))
    assert waiting(found) == [3, 2, 4, 1]


def test_an_idea_that_does_not_wait_cannot_be_moved():
    lab = Lab(State())
    world = Simulated(FakeWorld(1, lambda lots: Idea()))
    lab = world.lab
    lab.hear(AddIdea("1-a", "one"), 1.0)
    event, = lab.hear(MoveIdea("1-b", 7, 1), 2.0)
    assert isinstance(event, Ordered) and "idea 7 does not wait" in event.reason
    assert isinstance(lab.hear(MoveIdea("1-c", 1, 1), 3.0)[0], Moved)


def test_ideas_are_shown_in_the_order_in_which_they_are_tried():
    lab = Simulated(FakeWorld(1)).lab
    for number, title in enumerate(("one\x1b[2J", "two", "three"), 1):
        lab.hear(AddIdea(f"1-{number}", title), float(number))
    lab.hear(MoveIdea("1-m", 3, 1), 4.0)
    assert [(each.id, each.position, each.moved) for each in ideas(lab.state)] == [(3, 1, True), (1, 2, False), (2, 3, False)]
    assert time.time() > 0 and ideas(lab.state)[1].title == "one"
