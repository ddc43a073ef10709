"""Messages from what happened: what is worth one, when it goes out, and its words. Pure; told the time.

Many keeps in a minute are one message. The more messages went out in the last hour, the longer the next one is gathered.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from overnight.night.word.happenings import Happening
from overnight.untrusted import clean, line

GATHERED = 10.0  # seconds for which what happens at about the same time is waited for
BETWEEN = 60.0  # seconds between two messages, at least
CALM = 8  # messages within an hour, after each of which the pause doubles
HOUR, LONGEST = 3600.0, 1800.0  # seconds; of the pause, seconds
MOST_LINES = 12  # of a message
MOST_WAITING = 200  # things that happened; more are counted
URGENT = ("morning", "end", "stall", "test")  # which are waited for by a user
MOST_TITLE_CHARACTERS, MOST_BODY_CHARACTERS = 150, 3000
DEFUSED = str.maketrans({"@": "＠", "<": "‹", ">": "›", "`": "'", "*": "∗", "[": "(", "]": ")"})  # mentions, links, marks


class Letter(Struct, frozen=True):
    """A message: its title, its text, and whether the chart goes with it."""

    title: str
    body: str
    picture: bool = False


class Gathering:
    """What waits to be said, and when."""

    def __init__(self) -> None:
        self.waiting: list[Happening] = []
        self.missed = 0  # things that happened besides, of which there were too many
        self._since = 0.0
        self._sent: list[float] = []

    def add(self, happening: Happening, now: float) -> None:
        """Something happened; what is not worth a message is passed over."""
        if not worth(happening):
            return
        if not self.waiting:
            self._since = now
        if len(self.waiting) >= MOST_WAITING:
            self.missed += 1
            self.waiting.pop(0)
        self.waiting.append(happening)

    def due(self, now: float, last: bool = False) -> Letter | None:
        """The message that is to be sent now, if any; `last`: no other comes."""
        if not self.waiting or not (last or self._ripe(now)):
            return None
        letter = written(self.waiting, self.missed)
        self._sent = [*(at for at in self._sent if now - at < HOUR), now]
        self.waiting, self.missed = [], 0
        return letter

    def _ripe(self, now: float) -> bool:
        if any(each.event in URGENT for each in self.waiting):
            return True
        recent = sum(now - at < HOUR for at in self._sent)
        pause = min(LONGEST, BETWEEN * 2 ** (recent // CALM))
        return now - self._since >= GATHERED and (not self._sent or now - self._sent[-1] >= pause)


def worth(happening: Happening) -> bool:
    """Whether it is worth a message: not every verdict is."""
    return happening.event not in ("start", "verdict") or happening.kept


def written(happened: Sequence[Happening], missed: int = 0) -> Letter:
    """What happened, in one message."""
    keeps = sum(each.kept for each in happened)
    last = happened[-1]
    lines = [f"{each.text}" for each in happened]
    if left := max(0, len(lines) - MOST_LINES) + missed:
        lines = [f"({left} more before)", *lines[-MOST_LINES:]]
    return Letter(line(defused(f"{last.track}: {_subject(happened, keeps)}"), MOST_TITLE_CHARACTERS),
                  defused(clean("\n".join(lines)))[:MOST_BODY_CHARACTERS],
                  keeps > 0 or any(each.event in ("morning", "end") for each in happened))


def _subject(happened: Sequence[Happening], keeps: int) -> str:
    """What a message is about, in a few words."""
    kinds = [each.event for each in happened]
    for kind, words in (("end", "the night has ended"), ("morning", "good morning"), ("stall", "the night needs a look"),
                        ("test", "this is a test")):
        if kind in kinds:
            return words + f", {keeps} kept meanwhile" * (keeps > 0)
    if keeps:
        return f"{keeps} kept"
    return "a keep is taken back" if "veto" in kinds else "the machine failed"


def defused(text: str) -> str:
    """Words that a chat shows as they are: it mentions no person, makes no link of its own wording and obeys no mark."""
    return text.translate(DEFUSED).replace("://", ": //")
