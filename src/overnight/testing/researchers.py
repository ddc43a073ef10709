"""What any researcher must do, as tests: a new one inherits them.

    from overnight.testing.researchers import ResearcherSuite

    class TestMine(ResearcherSuite):
        def make(self): ...         # the researcher, as it begins a night
        source = "..."              # a file in which it finds something to change

Nothing here imports pytest; it collects the class.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from overnight.contracts import Brief, Change, Past, Researcher
from overnight.errors import EditError

PATH = "train.py"
SOURCE = '''"""A little model."""

RATE = 0.01  # how fast it learns
WIDTH = 16
# The share that is left out.
DROPPED = 0.1


def train(x):
    # It grows with its width.
    return x + RATE * WIDTH * (1 - DROPPED)
'''
STRANGE: tuple[dict[str, Any], ...] = ({}, {"set": "no mapping"}, {"set": {"lr": 0.3}}, {"set": {"lr": []}},
                                       {"set": {"lr": [0.1, [1]]}}, {"knob": [None]}, {"?": {"": 1e308}})


class ResearcherSuite:
    """Its changes are changes, stay within the boundary, and follow from the brief alone."""

    source = SOURCE

    def make(self) -> Researcher:
        """The researcher, as it begins a night."""
        raise NotImplementedError

    def brief(self, history: Sequence[Past] = (), seed: int = 1, **more: Any) -> Brief:
        """A brief in which one file may be edited."""
        given = {"editable": (PATH,), "files": {PATH: self.source}} | more
        return Brief("a goal", "loss", "minimize", frontier=0, noise=0.1, history=history, program="", seed=seed, **given)

    def change(self, brief: Brief) -> Change:
        """What it proposes, where it must have something."""
        found = self.make().propose(brief)
        assert found is not None, "it has nothing to propose"
        return found

    def test_it_has_a_name(self) -> None:
        assert self.make().name.strip()

    def test_a_change_edits_what_may_be_edited_and_makes_a_difference(self) -> None:
        files = self.change(self.brief()).files
        assert set(files) == {PATH} and files[PATH] not in (None, self.source)

    def test_a_change_has_a_title_and_crosses_a_wire(self) -> None:
        change = self.change(self.brief())
        assert change.message.partition("\n")[0].strip() and change.idea == 0
        assert msgspec.json.decode(msgspec.json.encode(change), type=Change).files == change.files

    def test_the_same_brief_gives_the_same_change(self) -> None:
        assert self.change(self.brief()) == self.change(self.brief())

    def test_the_brief_stays_as_it_was(self) -> None:
        brief = self.brief()
        before = copy.deepcopy(brief)
        self.change(brief)
        assert brief == before

    def test_nothing_is_proposed_twice_from_one_frontier(self) -> None:
        researcher, history, seen = self.make(), list[Past](), list[Any]()
        while len(history) < 8 and (change := researcher.propose(self.brief(history, seed=len(history) + 1))):
            assert change.files not in seen
            seen.append(change.files)
            history.append(Past(len(history) + 1, 0, researcher.name, "discard", change.message, -0.1, 1, note=change.note))
        assert seen

    def test_where_nothing_may_be_edited_there_is_no_change(self) -> None:
        with suppress(EditError):
            assert self.make().propose(self.brief(files={}, editable=("elsewhere/**",))) is None

    def test_the_history_of_others_and_strange_numbers_do_no_harm(self) -> None:
        researcher = self.make()
        history = [Past(n, n - 1, name, verdict, "", effect, 1, note=note)
                   for n, (name, verdict, effect, note) in enumerate(
                       [(name, verdict, effect, note) for name in ("another", researcher.name) for note in STRANGE
                        for verdict, effect in (("discard", 1e308), ("crash", None), ("keep", -0.0), ("foul", None))], 1)]
        with suppress(EditError):
            change = researcher.propose(self.brief(history))
            assert change is None or set(change.files) == {PATH}

    def test_what_it_made_can_be_asked_for_again(self) -> None:
        """Or it says that it cannot be made anew."""
        change = self.change(self.brief())
        past = Past(1, 0, self.make().name, "open", change.message, note=change.note)
        again = self.make().propose(self.brief([past], again=past))
        assert again is None or set(again.files) == {PATH}
