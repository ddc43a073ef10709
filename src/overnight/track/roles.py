"""The roles of a team: the front matter of `program.md`, checked. Pure.

Covered: kinds, keys and values are the known ones and no others, shares fit together, at least one role proposes; every mistake
is one sentence with its line.
Not covered: what a named file or folder is, which `program.py` looks at; whether a model, an agent or its key is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from overnight.errors import TrackError, meant
from overnight.track.frontmatter import Entry
from overnight.track.units import seconds

MOST_ROLES = 32  # roles on a team
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
AGENT, ANSWER = 900.0, 300.0  # seconds that an agent has for a change, and a model for an answer
MOST_AGENT_SECONDS = 86_400.0  # seconds for one change of an agent
SLACK = 1e-9  # of sums of shares
RESERVED = ("person",)  # the author of a change by hand
# The keys of each kind besides `kind`.
KEYS = {
    "knobs": ("share",),
    "llm": ("model", "prose", "timeout", "share"),
    "agent": ("agent", "model", "prose", "timeout", "share"),
    "replay": ("folder", "share"),
    "placebo": ("share",),
    "scientist": ("model", "prose", "timeout", "below"),
    "critic": ("model", "prose", "timeout"),
    "standup": ("model", "prose", "timeout", "every"),
    "metrician": ("model", "prose", "timeout", "every"),
}
NEEDED = {"agent": ("agent", "claude"), "replay": ("folder", "patches")}  # the key that a kind cannot do without; an example
NUMBERS: dict[str, tuple[type[float], int, str]] = {  # key -> type, the most that it may be, and how it is written
    "share": (float, 1, "auto or a number above 0 and up to 1, like 0.5"),
    "every": (int, 100_000, "a whole number from 1 to 100000"),
    "below": (int, 100_000, "a whole number from 1 to 100000"),
}
LINES = {"model": 200, "agent": 2000}  # characters of a line of text
READ = frozenset({"llm", "agent"})
ADVISE = frozenset({"scientist", "critic", "standup", "metrician"})
PROPOSE = frozenset(KEYS) - ADVISE


class Role(Struct, frozen=True):
    """One role of a team.

    kind     a researcher's ("knobs", "llm", "agent", "replay", "placebo"), or "scientist", "critic", "standup",
             "metrician"
    model    "provider:name"; "" is the one that the command line names
    prose    the text of its own file, below that of program.md
    share    of the attempts; None ("auto"): what its verified gain per cost earns it
    every    experiments between two standups, or two questions to a metrician
    below    open ideas below which a scientist is asked
    agent    the recipe or the command of an agent
    folder   of patches, for "replay", beside program.md
    timeout  seconds for one change of an agent, or for one answer of a model; None: as long as is usual
    """

    name: str
    kind: str
    model: str = ""
    prose: str = ""
    share: float | None = None
    every: int = 20
    below: int = 3
    agent: str = ""
    folder: str = ""
    timeout: float | None = None

    @property
    def proposes(self) -> bool:
        """Whether it makes changes."""
        return self.kind not in ADVISE

    @property
    def patience(self) -> float:
        """Seconds that it is given."""
        return self.timeout or (AGENT if self.kind == "agent" else ANSWER)

    @property
    def thinks(self) -> bool:
        """Whether it reads: it is given ideas, takes its time, and has a place of its own to do so."""
        return self.kind in READ


def needs_model(role: Role) -> bool:
    """Whether a role asks a language model directly."""
    return role.kind == "llm" or role.kind in ADVISE


def cast(head: Entry, name: str, look: Callable[[str, str], str]) -> tuple[Role, ...]:
    """The roles that front matter names. `look` is given a key and the path that it names, and returns what is to stand in
    its place. Raises TrackError."""
    return tuple(role for role, _ in _Team(name, look).read(head))


class _Team:
    """Front matter to roles."""

    def __init__(self, name: str, look: Callable[[str, str], str]) -> None:
        self.name, self.look = name, look

    def wrong(self, line: int, sentence: str) -> TrackError:
        return TrackError(f"{self.name} (line {line}): {sentence}.")

    def read(self, head: Entry) -> list[tuple[Role, int]]:
        """The whole of it: each role with its line."""
        found = head.value
        if not isinstance(found, dict):
            raise self.wrong(head.line, "the front matter names the team: write `researchers: [knobs]`, or `roles:` and roles "
                                        "below it")
        for key, entry in found.items():
            if key not in ("roles", "researchers"):
                raise self.wrong(entry.line, f"unknown key {_quoted(key)} in the front matter"
                                             f"{meant(key, ('roles', 'researchers'))}")
        if len(found) != 1:
            raise self.wrong(head.line, "the front matter has one key, roles or researchers: keep one of them")
        key, entry = next(iter(found.items()))
        roles = self.kinds(entry) if key == "researchers" else self.roles(entry)
        self.check(roles, entry)
        return roles

    def kinds(self, entry: Entry) -> list[tuple[Role, int]]:
        """The short form: a list of kinds."""
        kinds = entry.value if isinstance(entry.value, tuple) else ()
        if not kinds or not all(isinstance(kind.value, str) for kind in kinds):
            raise self.wrong(entry.line, "researchers is a list of kinds, like [knobs, llm]")
        return [(self.role("" if kind.value not in KEYS else str(kind.value), Entry(kind.line, {"kind": kind})), kind.line)
                for kind in kinds]

    def roles(self, entry: Entry) -> list[tuple[Role, int]]:
        """The long form: a mapping of roles."""
        if not isinstance(entry.value, dict) or not entry.value:
            raise self.wrong(entry.line, "roles is a mapping with a line for each, like `tuner: {kind: knobs}`")
        return [(self.role(self.title(name, each), each), each.line) for name, each in entry.value.items()]

    def title(self, name: str, entry: Entry) -> str:
        """The name of a role, if it can be one."""
        if NAME.fullmatch(name) is None or name in RESERVED:
            raise self.wrong(entry.line, f"{_quoted(name)} cannot be the name of a role: take at most 40 letters, digits, - "
                                         f"and _, a letter first, and not {' or '.join(RESERVED)}")
        return name

    def role(self, name: str, entry: Entry) -> Role:
        """One of them."""
        fields = entry.value
        if not isinstance(fields, dict) or "kind" not in fields:
            raise self.wrong(entry.line, f"the role '{name}' has no kind: write for example `{name}: {{kind: knobs}}`")
        kind = fields["kind"].value
        if not isinstance(kind, str) or kind not in KEYS:
            word = kind if isinstance(kind, str) else ""
            raise self.wrong(fields["kind"].line, f"there is no kind {_quoted(word)} of role{meant(word[:80], KEYS)}")
        for key, value in fields.items():
            if key not in ("kind", *KEYS[kind]):
                raise self.wrong(value.line, f"{_quoted(key)} says nothing to a role of kind {kind}"
                                             f"{meant(key[:80], ('kind', *KEYS[kind]))}")
        if kind in NEEDED and NEEDED[kind][0] not in fields:
            key, example = NEEDED[kind]
            raise self.wrong(entry.line, f"the role '{name}' lacks its {key}: write for example "
                                         f"`{name}: {{kind: {kind}, {key}: {example}}}`")
        return Role(name, kind, **{key: self.value(key, value) for key, value in fields.items() if key != "kind"})

    def value(self, key: str, entry: Entry) -> Any:
        """What a key says, as its own type."""
        text = entry.value
        if not isinstance(text, str):
            raise self.wrong(entry.line, f"{key} is one word or number, not a list or a mapping")
        if key in LINES:
            if not text.strip() or len(text) > LINES[key] or not text.isprintable():
                raise self.wrong(entry.line, f"{key} is one line of at most {LINES[key]} characters")
            return text.strip()
        if key == "share" and text == "auto":
            return None
        if key in NUMBERS:
            kind, most, written = NUMBERS[key]
            try:
                number = kind(text)
            except ValueError:
                number = 0
            if not 0 < number <= most:
                raise self.wrong(entry.line, f"{key} is {written}, not {_quoted(text)}")
            return number
        try:
            return _patience(text) if key == "timeout" else self.look(key, text)
        except TrackError as error:
            raise self.wrong(entry.line, str(error).rstrip(".")) from error

    def check(self, roles: list[tuple[Role, int]], entry: Entry) -> None:
        """What they must be together."""
        names = [role.name for role, _ in roles]
        for place, (role, line) in enumerate(roles):
            if role.name in names[:place]:
                raise self.wrong(line, f"there are two roles of the name '{role.name}': rename one of them")
        if len(roles) > MOST_ROLES:
            raise self.wrong(entry.line, f"there are {len(roles)} roles: a team has at most {MOST_ROLES}")
        if not any(role.kind in PROPOSE for role, _ in roles):
            kinds = ", ".join(kind for kind in KEYS if kind in PROPOSE)
            raise self.wrong(entry.line, f"no role of the team proposes: add a role of one of the kinds {kinds}")
        self.check_shares(roles)

    def check_shares(self, roles: list[tuple[Role, int]]) -> None:
        """Raise TrackError where the shares leave nothing for some role."""
        total = 0.0
        for role, line in roles:
            total += role.share or 0.0
            if total > 1 + SLACK:
                raise self.wrong(line, f"with that of '{role.name}' the shares come to {total:.3g}: lower them to 1 in sum")
        for role, line in roles:
            if total > 1 - SLACK and role.share is None and role.kind in PROPOSE:
                raise self.wrong(line, f"the shares of the others come to 1, which leaves nothing for '{role.name}': lower one")


def _quoted(value: object) -> str:
    """An untrusted word, cleaned for a sentence of Overnight."""
    return repr(value[:80]) if isinstance(value, str) else "that is no word"


def _patience(text: str) -> float:
    value = seconds(text)
    if value > MOST_AGENT_SECONDS:
        raise TrackError(f"timeout is at most {MOST_AGENT_SECONDS / 3600:.0f}h, for the night waits so long for its end")
    return value
