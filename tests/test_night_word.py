"""The night's word: what is worth one, when messages go out, what they say; addresses and hooks that may be used."""

import os
import time
from itertools import pairwise

import msgspec
import pytest

from overnight.errors import TrackError
from overnight.lab.events import Faulted, Judged, Opened, Vetoed
from overnight.lab.state import State
from overnight.night.word import letters, places
from overnight.night.word.happenings import Happening, happenings, plain
from overnight.night.word.letters import BETWEEN, GATHERED, MOST_LINES, MOST_WAITING, Gathering, defused, written
from overnight.night.word.queues import Worker
from overnight.testing.journals import CONTRACT, DUSK, LongNight

KEEP = Happening("verdict", 1.0, "long", "#3 keep: Warm up longer (val_bpb better by 0.013)", verdict="keep", experiment=3)
DISCARD = Happening("verdict", 1.0, "long", "#4 discard: no", verdict="discard", experiment=4)


@pytest.fixture(scope="module")
def night():
    """The state of a night of hostile words, and its events."""
    state = State()
    state.apply(Opened(DUSK, "long", "c0", CONTRACT, "key"))
    return state, list(LongNight(state, hostile=True).go(500))


# ---- what happens ----------------------------------------------------------------------------------------------


def test_each_verdict_is_told_with_its_evidence(night):
    state, events = night
    judged = [event for event in events if isinstance(event, Judged)]
    told = list(happenings(state, events, 7))
    verdicts = [each for each in told if each.event == "verdict"]
    assert [(e.experiment, e.verdict, e.effect, e.interval) for e in verdicts] == \
        [(e.experiment, e.verdict, e.effect, e.interval) for e in judged]
    assert all(e.commit == state.experiments[e.experiment].commit and e.seq == 7 and e.metric == "val_bpb" for e in verdicts)
    assert {type(e) for e in events} > {Judged} and len(told) == sum(isinstance(e, Judged | Vetoed | Faulted) for e in events)


def test_no_word_of_a_candidate_keeps_what_steers_a_terminal_or_breaks_a_line(night):
    for each in happenings(*night, 1):
        assert each.text.isprintable() and len(each.text) <= 1000


def test_what_is_told_goes_as_json_and_never_holds_the_holdout(night):
    for each in happenings(*night, 1):
        assert msgspec.json.decode(msgspec.json.encode(each), type=Happening) == each
    held = {f"{number:.6f}" for runs in night[0].known.held.values() for number in runs.values()}
    told = "".join(msgspec.json.encode(each).decode() for each in happenings(*night, 1))
    assert held and not [number for number in held if number in told]


# ---- when messages go out --------------------------------------------------------------------------------------


def test_many_keeps_in_a_minute_are_one_message():
    gathering, sent = Gathering(), []
    for second in range(120):
        if second < 50:
            gathering.add(KEEP, float(second))
        sent += [letter] if (letter := gathering.due(float(second))) else []
    assert [letter.title for letter in sent] == ["long: 11 kept", "long: 39 kept"] and GATHERED == 10.0


def test_other_verdicts_are_worth_no_message():
    gathering = Gathering()
    gathering.add(DISCARD, 0.0)
    assert gathering.due(1e6) is None and gathering.due(1e6, last=True) is None


def test_a_night_of_keeps_sends_ever_fewer_messages():
    gathering, sent = Gathering(), []
    for second in range(0, 8 * 3600, 5):
        gathering.add(KEEP, float(second))
        sent += [second] if gathering.due(float(second)) else []
    assert len(sent) < 200 and min(b - a for a, b in pairwise(sent)) >= BETWEEN
    assert len(gathering.waiting) <= MOST_WAITING


@pytest.mark.parametrize("kind", ["morning", "end", "stall", "test"])
def test_what_a_user_waits_for_goes_at_once_and_takes_the_keeps_along(kind):
    gathering = Gathering()
    gathering.add(KEEP, 0.0)
    assert gathering.due(1.0) is None
    gathering.add(Happening(kind, 2.0, "long", "see above"), 2.0)
    letter = gathering.due(2.0)
    assert "1 kept meanwhile" in letter.title and KEEP.text in letter.body.replace("∗", "*") and "see above" in letter.body


def test_a_long_message_is_cut_and_says_so():
    letter = written([KEEP] * 500, missed=7)
    assert letter.body.startswith(f"({500 - MOST_LINES + 7} more before)") and len(letter.body.splitlines()) == MOST_LINES + 1
    assert len(written([Happening("end", 1.0, "x" * 900, "y" * 9000)]).body) <= letters.MOST_BODY_CHARACTERS


def test_words_in_a_chat_mention_no_person_and_make_no_link():
    shown = defused("@everyone <!channel> [here](http://example.invalid) `code` *bold*")
    assert not set("@<>`*[]") & set(shown) and "://" not in shown


def test_hostile_titles_stay_inert_in_every_message(night):
    for each in happenings(*night, 1):
        letter = written([each])
        assert not set("@<>`[]\x1b\u202e\u200b") & set(letter.title + letter.body)
        assert "://" not in letter.body and letter.body.count("\n") == 0


# ---- addresses, hooks, mornings --------------------------------------------------------------------------------


def configured(tmp_path, text):
    folder = tmp_path / "config" / "overnight"
    folder.mkdir(parents=True)
    (folder / "notify").write_text(text)
    return {"XDG_CONFIG_HOME": str(tmp_path / "config")}


def test_addresses_come_from_the_command_line_the_environment_and_the_users_file(tmp_path):
    environ = configured(tmp_path, "# mine\njson://c\n\njson://a\n") | {"OVERNIGHT_NOTIFY": "json://b ntfy://d"}
    found = places.addresses(["json://a"], environ, tmp_path / "repository")
    assert [each.secret for each in found] == ["json://a", "json://b", "ntfy://d", "json://c"]


def test_an_address_is_shown_by_its_scheme_alone():
    address = places.Address("slack://tokenA/tokenB/tokenC")
    assert f"{address} {address!r}" == "slack://… slack://…"


@pytest.mark.parametrize("text", ["", "no address, and secret", "://secret", "x" * 5000 + "://secret", "9://secret"])
def test_what_is_no_address_is_refused_and_not_quoted(text):
    with pytest.raises(TrackError) as caught:
        places.Address(text)
    assert "secret" not in str(caught.value)


def test_a_configuration_that_came_with_the_repository_is_refused(tmp_path):
    environ = configured(tmp_path, "json://theirs\n")
    with pytest.raises(TrackError, match="another person's"):
        places.addresses([], environ, tmp_path)


def test_a_file_of_addresses_that_others_may_write_is_refused(tmp_path):
    environ = configured(tmp_path, "json://a\n")
    (tmp_path / "config" / "overnight" / "notify").chmod(0o666)
    with pytest.raises(TrackError, match="chmod go-w"):
        places.addresses([], environ, tmp_path / "repository")


def a_hook(folder, name="hook", mode=0o700):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(mode)
    return path


def test_hooks_are_those_that_are_named_and_those_of_the_users_folder_in_order(tmp_path):
    folder = tmp_path / "config" / "overnight" / "hooks"
    second, first, named = a_hook(folder, "20-b"), a_hook(folder, "10-a"), a_hook(tmp_path / "own")
    for name in ("README.md", "old~", ".hidden", "10-a.sample"):
        a_hook(folder, name, 0o600)
    assert places.hooks([named], {"XDG_CONFIG_HOME": str(tmp_path / "config")}, tmp_path / "repository") == [named, first, second]


def test_a_hook_in_the_repository_is_refused_also_behind_a_link(tmp_path):
    inside, link = a_hook(tmp_path / "repository"), tmp_path / "link"
    link.symlink_to(inside)
    for path in (inside, link):
        with pytest.raises(TrackError, match="lies in the repository"):
            places.hooks([path], {"HOME": str(tmp_path)}, tmp_path / "repository")


def test_a_hook_below_a_folder_that_others_may_change_is_refused(tmp_path):
    open_to_all = tmp_path / "open"
    (open_to_all / "mine").mkdir(parents=True)
    hook = open_to_all / "mine" / "hook"
    hook.write_text("#!/bin/sh\n", encoding="utf-8")
    hook.chmod(0o700)
    open_to_all.chmod(0o777)  # so that another user can put a folder in the place of `mine`
    assert f"({open_to_all.resolve()}: chmod go-w)" in places.unsafe(hook, tmp_path / "repository")
    open_to_all.chmod(0o1777)
    assert places.unsafe(hook, tmp_path / "repository") == ""


@pytest.mark.parametrize(("mode", "said"), [(0o600, "chmod u\\+x"), (0o777, "chmod go-w")])
def test_a_hook_that_cannot_be_run_or_that_others_may_write_is_refused(tmp_path, mode, said):
    path = a_hook(tmp_path / "own", mode=mode)
    if mode == 0o600 and os.access(path, os.X_OK):
        pytest.skip("root may run anything")
    with pytest.raises(TrackError, match=said):
        places.hooks([path], {"HOME": str(tmp_path)}, tmp_path / "repository")


def test_a_hook_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(TrackError, match="is no file"):
        places.hooks([tmp_path / "none"], {"HOME": str(tmp_path)}, tmp_path / "repository")


@pytest.mark.parametrize(("text", "at"), [("07:00", (7, 0)), ("7:05", (7, 5)), ("23:59", (23, 59))])
def test_a_time_of_day_is_read(text, at):
    assert places.clock(text) == at


@pytest.mark.parametrize("text", ["", "7", "24:00", "07:60", "7am", "07:00:00"])
def test_what_is_no_time_of_day_is_refused(text):
    with pytest.raises(TrackError, match="like 07:00"):
        places.clock(text)


def test_the_next_morning_is_within_a_day_and_at_that_time():
    now = time.time()
    for at in ((7, 0), (0, 0), (23, 59)):
        coming = places.next_morning(now, at)
        assert 0 < coming - now <= 25 * 3600 and time.localtime(coming)[3:5] == at
        assert places.next_morning(coming, at) > coming


def test_a_happening_of_the_track_as_a_whole_is_cleaned(night):
    assert plain(night[0], "stall", 1.0, "a\x1b[31m\nb\u202e").text == "a b"


# ---- threads that hold up nothing ------------------------------------------------------------------------------


def test_a_queue_takes_things_in_order_and_drops_the_oldest_of_too_many():
    done, missed, held = [], [], []
    worker = Worker("test", lambda thing: (held.append(1), worker.rest(0.05), done.append(thing)), 3, lambda: missed.append(1))
    began = time.monotonic()
    for number in range(50):
        worker.put(number)
    assert time.monotonic() - began < 0.5
    worker.close(5.0)
    assert done == sorted(done) and done[-3:] == [47, 48, 49] and len(missed) >= 45


def test_a_queue_whose_work_hangs_is_left_after_a_while():
    worker = Worker("test", lambda thing: worker.rest(60.0), 3)
    worker.put(1)
    time.sleep(0.05)
    began = time.monotonic()
    worker.close(0.1)
    worker.put(2)
    assert time.monotonic() - began < 1.5 and worker.over


def test_a_queue_that_was_never_used_starts_no_thread_and_closes():
    Worker("test", print, 1).close(1.0)
