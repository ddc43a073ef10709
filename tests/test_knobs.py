"""The researcher as the lab meets it."""

import ast
import random
import re
import time
from collections.abc import Sequence

import pytest
from msgspec import structs

from overnight.contracts import Brief, Change, Left, Past
from overnight.errors import TrackError
from overnight.researchers.knobs.mutate import mutations
from overnight.researchers.knobs.propose import WIDENED, Knobs

SOURCE = '''RATE = 0.01
WIDTH = 16
BETA = 0.9
TIED = False
KIND = "a"


def train(x):
    """Learns."""
    x = squash(x)
    x = x + RATE * WIDTH if KIND == "b" else x
    return x
'''


def brief(
    history: Sequence[Past] = (), text: str = SOURCE, frontier: int = 0, noise: float | None = 0.1, seed: int = 1
) -> Brief:
    return Brief("goal", "loss", "minimize", {"train.py": text}, frontier, noise, history, "", seed)


def value(text: str, name: str) -> object:
    assigned = [node for node in ast.parse(text).body if isinstance(node, ast.Assign)]
    return next(ast.literal_eval(node.value) for node in assigned if node.targets[0].id == name)


def told(number: int, change: Change, verdict: str = "discard", effect: float | None = -0.1, base: int = 0) -> Past:
    return Past(number, base, "knobs", verdict, change.message, effect, 1, "", change.note)


def proposed(history: list[Past], **given: object) -> Change:
    change = Knobs().propose(brief(history, **given))
    assert change is not None
    return change


def test_the_same_brief_gives_the_same_change():
    assert Knobs().propose(brief()) == Knobs().propose(brief())


def test_the_note_says_what_the_files_say():
    change = proposed([])
    for knob, (before, after) in change.note["set"].items():
        name = knob.removeprefix("train.py:")
        assert value(SOURCE, name) == before
        assert value(change.files["train.py"], name) == after


def test_the_message_is_a_title_and_a_reason():
    title, blank, *reason = proposed([]).message.split("\n")
    assert re.fullmatch(r"\w+ \S+ -> \S+ \(train\.py, line \d\)", title)
    assert " -> " in title
    assert blank == ""
    assert "first look" in "\n".join(reason)


def test_a_number_without_a_name_is_called_by_its_line():
    titles = [change.message.split("\n")[0] for text in ("for i in range(400):\n    turn(i)\n", "a(400, 1)\n")
              if (change := Knobs().propose(brief(text=text)))]
    assert [title.split(" 400 -> ")[0] for title in titles] == ["`for i in range(400):`:", "`a(400, 1)`:"]


def test_nothing_is_proposed_twice_from_one_frontier():
    history: list[Past] = []
    lots, seen = random.Random(0), set()
    while len(history) < 60 and (change := Knobs().propose(brief(history))):
        assert change.files["train.py"] not in seen
        assert change.files["train.py"] != SOURCE
        seen.add(change.files["train.py"])
        verdict = lots.choice(["discard", "crash", "open"])
        effect = lots.gauss(-0.1, 0.1) if verdict == "discard" else None
        history.append(told(len(history) + 1, change, verdict, effect))
    assert len(seen) > 40


def test_it_ends_when_all_has_been_tried():
    text, history = "TIED = False\n", []
    history.append(told(1, proposed(history, text=text)))
    assert Knobs().propose(brief(history, text=text)) is None


@pytest.mark.parametrize("text", ["", "print(1)\n", "x = = 1\n", 'NAME = "just a name"\n'])
def test_nothing_to_turn_is_no_proposal(text):
    assert Knobs().propose(brief(text=text)) is None


def test_files_that_do_not_parse_do_not_stop_the_others():
    given = Brief("", "loss", "minimize", {"a.py": "x = ", "b.md": "R = 1.5", "c.py": "R = 1.5\n"}, 0, None, [], "", 1)
    change = Knobs().propose(given)
    assert change is not None
    assert list(change.files) == ["c.py"]


def test_a_bad_comment_reaches_the_user():
    with pytest.raises(TrackError, match=r"train\.py:1"):
        Knobs().propose(brief(text="RATE = 0.1  # knob: up\n"))


def test_a_kept_direction_is_followed():
    kept = Past(1, 0, "knobs", "keep", "", 1.0, 9, "", {"kind": "knobs", "set": {"train.py:RATE": [0.01, 0.02]}})
    change = proposed([kept], text=SOURCE.replace("0.01", "0.02"), frontier=1)
    assert value(change.files["train.py"], "RATE") > 0.02
    assert "#1, which was kept" in change.message


def test_a_clear_loss_one_way_is_tried_the_other_way():
    lost = Past(1, 0, "knobs", "discard", "", -1.0, 1, "", {"kind": "knobs", "set": {"train.py:RATE": [0.01, 0.02]}})
    assert value(proposed([lost]).files["train.py"], "RATE") < 0.01


def test_what_crashed_is_not_approached_again_soon():
    crash = Past(1, 0, "knobs", "crash", "", None, 0, "", {"kind": "knobs", "set": {"train.py:WIDTH": [16, 32]}})
    assert value(proposed([crash]).files["train.py"], "WIDTH") <= 16


def test_structural_edits_appear_and_grow_rare_when_they_fail():
    history: list[Past] = []
    for number in range(1, 80):
        change = Knobs().propose(brief(history, seed=number))
        if change is None:
            break
        keep = change.note["kind"] == "knobs" and number % 4 == 0
        history.append(told(number, change, "keep" if keep else "discard"))
    kinds = [past.note["kind"] for past in history]
    assert "mutation" not in kinds[:6]
    assert 1 <= kinds.count("mutation") < 0.25 * len(kinds)


def test_history_of_others_and_strange_numbers_do_no_harm():
    knob = {"kind": "knobs", "set": {"train.py:RATE": [0.01, 0.5]}}
    history = [
        Past(1, 0, "llm", "keep", "rewrote", 0.5, 3),
        Past(2, 1, "knobs", "discard", "", float("nan"), 1, "", knob),
        Past(3, 99, "knobs", "discard", "", -1e300, 1, "", {"kind": "knobs", "set": {"train.py:WIDTH": [16, 24]}}),
        Past(4, 1, "knobs", "foul", "", None, 0, "", {"kind": "knobs", "set": {"train.py:BETA": [0.9, 2]}}),
        Past(5, 1, "knobs", "discard", "", 0.0, 1, "", {"kind": "knobs", "set": {"train.py:KIND": ["a", "z"]}}),
    ]
    assert proposed(history, frontier=1, noise=None)
    assert proposed(history, frontier=1, noise=0.0)


def test_a_long_history_stays_quick():
    lots, history = random.Random(0), []
    for number in range(1, 20_001):
        turned = {"train.py:RATE": [0.01, lots.uniform(0.001, 0.1)], "train.py:BETA": [0.9, lots.uniform(0.5, 0.99)]}
        history.append(
            Past(number, 0, "knobs", "discard", "", lots.gauss(-0.1, 0.1), 1, "", {"kind": "knobs", "set": turned})
        )
    start = time.process_time()
    assert proposed(history)
    assert time.process_time() - start < 2.0


# ---- made anew -------------------------------------------------------------------------------------------------


def again(past: Past, text: str) -> Change | None:
    given = Brief("goal", "loss", "minimize", {"train.py": text}, 3, 0.1, (), "", 1, again=past)
    return Knobs().propose(given)


def turned(**values: object) -> Past:
    """An earlier turn of knobs of train.py: name=(before, after)."""
    sets = {f"train.py:{name}": list(pair) for name, pair in values.items()}
    return Past(5, 0, "knobs", "open", "the message\n\nand why", 0.3, 2, "", {"kind": "knobs", "set": sets})


def test_a_turn_is_made_anew_on_todays_files():
    today = SOURCE.replace("WIDTH = 16", "WIDTH = 24").replace("RATE = 0.01", "# kept meanwhile\nRATE = 0.02")
    change = again(turned(RATE=(0.01, 0.04)), today)
    assert change is not None
    assert change.files == {"train.py": today.replace("RATE = 0.02", "RATE = 0.04")}
    assert change.message.startswith("RATE 0.02 -> 0.04 (train.py, line 2)\n\nMade anew on a newer frontier")
    assert change.message.endswith("the message\n\nand why")


def test_the_note_of_a_turn_made_anew_tells_todays_value():
    change = again(turned(RATE=(0.01, 0.04), BETA=(0.9, 0.95)), SOURCE.replace("0.01", "0.02"))
    assert change is not None
    assert change.note == {"kind": "knobs", "set": {"train.py:RATE": [0.02, 0.04], "train.py:BETA": [0.9, 0.95]}}


def test_of_a_turn_that_is_there_in_part_the_rest_is_made():
    change = again(turned(RATE=(0.01, 0.04), BETA=(0.9, 0.95)), SOURCE.replace("0.01", "0.04"))
    assert change is not None and change.note["set"].keys() == {"train.py:BETA"}
    assert (value(change.files["train.py"], "RATE"), value(change.files["train.py"], "BETA")) == (0.04, 0.95)


def test_a_turn_that_is_there_already_is_not_made_anew():
    assert again(turned(RATE=(0.01, 0.04)), SOURCE.replace("0.01", "0.04")) is None


@pytest.mark.parametrize("text", [SOURCE.replace("BETA = 0.9\n", ""), SOURCE.replace("BETA", "GAMMA"), "x = = 1\n", ""])
def test_a_turn_of_knobs_that_are_gone_is_not_made_anew(text):
    assert again(turned(RATE=(0.01, 0.04), BETA=(0.9, 0.95)), text) is None


@pytest.mark.parametrize("note", [{}, {"kind": "knobs"}, {"kind": "knobs", "set": {}}, {"kind": "mutation"},
                                  {"idea": "of somebody else"}])
def test_what_has_no_note_of_ours_is_not_made_anew(note):
    assert again(Past(5, 0, "llm", "open", "rewrote", None, 0, "", note), SOURCE) is None


def test_every_turn_that_is_proposed_can_be_made_anew_where_nothing_changed():
    history: list[Past] = []
    for number in range(1, 41):
        change = proposed(history, seed=number)
        past = told(number, change)
        made = again(past, SOURCE)
        assert made is not None and (made.files, made.note) == (change.files, change.note)
        history.append(past)
    assert {past.note["kind"] for past in history} == {"knobs", "mutation"}


def mutation(title: str) -> Past:
    edit = next(m for m in mutations({"train.py": SOURCE}) if title in m.title)
    return Past(5, 0, "knobs", "open", edit.title, None, 0, "", {"kind": "mutation", "id": edit.id})


def test_a_structural_edit_is_made_anew_on_todays_files():
    past, today = mutation("leave out `x = squash(x)`"), SOURCE.replace("def train", "SPEED = 3.0\n\n\ndef train")
    change = again(past, today)
    assert change is not None
    assert change.files == {"train.py": today.replace("    x = squash(x)\n", "")}
    assert (change.message, change.note) == (past.message, past.note)


def test_a_structural_edit_whose_statement_is_gone_is_not_made_anew():
    assert again(mutation("leave out `x = squash(x)`"), SOURCE.replace("    x = squash(x)\n", "")) is None


def test_it_climbs():
    """Ten constants, noise half as large as the whole gain of one: most of the way in sixty proposals."""
    text = "".join(f"RATE_{name} = 1.0\n" for name in "ABCDEFGHIJ")
    best = dict(zip("ABCDEFGHIJ", (4, 0.25, 2, 1, 1, 1, 1, 1, 0.5, 1), strict=True))
    luck, frontier, history = random.Random(3), 0, []

    def loss(of: str) -> float:
        gaps = [abs(value(of, f"RATE_{name}") / at - 1) for name, at in best.items()]
        return sum(min(gap, 2.0) for gap in gaps)

    first = loss(text)
    for number in range(1, 61):
        change = proposed(history, text=text, frontier=frontier, seed=number)
        gain = loss(text) - loss(change.files["train.py"])
        seen = [gain + luck.gauss(0, 0.2) for _ in range(6)]
        kept = sum(seen) / 6 > 0.25
        history.append(
            told(number, change, "keep" if kept else "discard", sum(seen) / 6 if kept else seen[0], frontier)
        )
        if kept:
            text, frontier = change.files["train.py"], number
    assert loss(text) < 0.4 * first


def test_while_time_is_left_it_widens_and_says_how():
    """Everything fails: after the usual steps come finer ones, farther ones, and what failed alone put together."""
    few, ways = "RATE = 0.01\nBETA = 0.9\n", []
    for left in (Left(), Left(seconds=60.0)):
        history: list[Past] = []
        while len(history) < 160 and (change := Knobs().propose(structs.replace(brief(history, text=few), left=left))):
            history.append(told(len(history) + 1, change))
        ways.append([next((word for word, said in WIDENED.items() if said in past.message), "") for past in history])
    assert set(ways[0]) == {""} and len(ways[1]) > 2 * len(ways[0])
    assert list(dict.fromkeys(ways[1])) == ["", "finer", "farther", "together"]
    assert len({past.message.partition("\n")[0] for past in history}) == len(history)
