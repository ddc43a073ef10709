"""Roles become a team: researchers by their names, and those who advise."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from overnight.brief import page
from overnight.contracts import Call, Researcher, Sandbox, Team
from overnight.errors import TrackError
from overnight.researchers.placebo import Placebo
from overnight.researchers.replay import Replay
from overnight.track.roles import ADVISE, Role
from overnight.track.spec import Track

if TYPE_CHECKING:  # imported when a role wants them, for they load much that other commands need not wait for
    from overnight.researchers.agent import Quarters
    from overnight.researchers.llm.mind import Mind
    from overnight.researchers.llm.model import Model
    from overnight.researchers.llm.purse import Purse

PATIENCE = 3.0  # seconds that calls to models have to end when the night does


class Money(Struct, frozen=True):
    """What models are asked and what they may cost in a session; None is no bound.

    model   of the roles that name none
    price   dollars per million tokens, in and out, of models that the price list does not know
    each    those with it are bounds for one experiment
    spent   tokens and dollars that count already: those of a session that was killed, with which this one goes on
    """

    model: str = ""
    price: tuple[float, float] | None = None
    tokens: int | None = None
    dollars: float | None = None
    tokens_each: int | None = None
    dollars_each: float | None = None
    spent: tuple[int, float] = (0, 0.0)


@dataclass
class Staff:
    """Makes teams of one track, also when its program changes in the middle of a night: models, what they cost, and how often
    they failed go on from team to team.

    quarters  where agents work; None where nothing is proposed
    spent     told of each call to a model, on any thread
    """

    track: Track
    folder: Path
    sandbox: Sandbox
    money: Money
    spent: Callable[[Call], None]
    quarters: Callable[[], Quarters]
    _purse: Purse | None = None
    _models: dict[str, Model] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def team(self, roles: Iterable[Role]) -> Team:
        """A researcher for each role that proposes, and the advisers. Raises TrackError for what cannot be had."""
        roles = tuple(roles)
        researchers = {role.name: self._researcher(role) for role in roles if role.proposes}
        advisers = {role.kind: self._mind(role) for role in roles if role.kind in ADVISE}
        made = Team(researchers, close=partial(_close, researchers))
        if advisers:
            from overnight.researchers.llm.roles import critic, scientist, standup
            if "critic" in advisers:
                words = next(role.prose for role in roles if role.kind == "critic")
                made.critic = lambda told, change, patch: critic(
                    advisers["critic"], msgspec.structs.replace(told, role=words), change, patch)
            made.scientist = partial(scientist, advisers["scientist"]) if "scientist" in advisers else None
            made.standup = partial(standup, advisers["standup"]) if "standup" in advisers else None
        return made

    def _researcher(self, role: Role) -> Researcher:
        if role.kind not in RESEARCHERS:
            known = ", ".join(sorted(RESEARCHERS))
            raise TrackError(f"there is no researcher of the kind '{role.kind}': choose among {known}.")
        return RESEARCHERS[role.kind](self, role)

    def _knobs(self, _role: Role) -> Researcher:
        from overnight.researchers.knobs import Knobs
        return Knobs()

    def _author(self, role: Role) -> Researcher:
        from overnight.researchers.llm.author import Author
        return Author(self._mind(role))

    def _agent(self, role: Role) -> Researcher:
        from overnight.researchers.agent import Agent
        if not role.agent:
            raise TrackError("an agent needs to be named: give it a role in program.md, like "
                             "`claude: {kind: agent, agent: claude}`.")
        return Agent(role, self.track, self.sandbox, self.quarters(), lambda told: page.page(told).text)

    def _mind(self, role: Role) -> Mind:
        from overnight.researchers.llm import model
        from overnight.researchers.llm.mind import Mind
        name = role.model or self.money.model
        if not name:
            raise TrackError(f"the role '{role.name}' needs a model: name one with --model, like openai:gpt-5-mini or "
                             "ollama:qwen3, or in program.md.")
        with self._lock:
            if name not in self._models:
                model.check(name)
                self._models[name] = model.Model(name, self.money.price)
            found, purse = self._models[name], self._paying()
        purse.check(found)
        return Mind(role.name, found, purse, timeout=role.patience)

    def close(self) -> None:
        """Give calls that are under way a moment, and hand on a record of those that go on."""
        if self._purse is not None:
            self._purse.close(PATIENCE)

    def _paying(self) -> Purse:
        """The purse of this session, made when it is first wanted."""
        if self._purse is None:
            from overnight.researchers.llm.purse import Bounds, Purse, Used
            bounds = Bounds(self.money.tokens, self.money.dollars, self.money.tokens_each, self.money.dollars_each)
            self._purse = Purse(bounds, self.spent, Used(*self.money.spent))
        return self._purse


# The kinds that propose, as `track/roles.py` names them.
RESEARCHERS: dict[str, Callable[[Staff, Role], Researcher]] = {
    "knobs": Staff._knobs,
    "llm": Staff._author,
    "agent": Staff._agent,
    "replay": lambda staff, role: Replay(_patches(role, staff.folder), role.name),
    "placebo": lambda staff, role: Placebo(),
}


def _close(researchers: Mapping[str, Researcher]) -> None:
    """End what agents have under way."""
    for each in researchers.values():
        if (stop := getattr(each, "stop", None)) is not None:
            stop()


def _patches(role: Role, folder: Path) -> Path:
    if not role.folder:
        raise TrackError("replay needs a folder of patches: name a role for it in program.md, like "
                         "`again: {kind: replay, folder: patches}`.")
    return folder / role.folder
