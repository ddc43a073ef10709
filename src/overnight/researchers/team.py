"""Roles become a team: researchers by their names, and advisers."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec

from overnight.brief import page
from overnight.contracts import Call, Executed, Researcher, Sandbox, Team
from overnight.errors import TrackError
from overnight.researchers.agent import Agent, AgentWorkspace
from overnight.researchers.knobs.turned import noted
from overnight.researchers.llm.author import Author
from overnight.researchers.llm.budget import BudgetBounds, ModelBudget, Spending
from overnight.researchers.llm.client import ModelClient
from overnight.researchers.llm.metrician import metrician
from overnight.researchers.llm.model import Model, check
from overnight.researchers.llm.roles import critic, scientist, standup
from overnight.researchers.placebo import Placebo
from overnight.researchers.replay import Replay
from overnight.track.roles import ADVISE, Role
from overnight.track.spec import Track

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
CLOSE_SECONDS = 3.0  # that calls to models have to end when the night does


@contextmanager
def _one_thread() -> Iterator[None]:
    """While this lasts, numpy is loaded without threads of its own: for small matrices they are slower, and they take the cores
    on which runs are measured. Once it is loaded nothing changes that."""
    unset = [name for name in THREADS if name not in os.environ and "numpy" not in sys.modules]
    os.environ.update(dict.fromkeys(unset, "1"))
    try:
        yield
    finally:
        for name in unset:
            del os.environ[name]


class ModelOptions(BudgetBounds, frozen=True):
    """Which models are asked, and what they may cost in a session.

    model   of the roles that name none
    price   dollars per million tokens, in and out, of models that the price list does not know
    spent   tokens and dollars that count already: those of a session that was killed, with which this one goes on
    """

    model: str = ""
    price: tuple[float, float] | None = None
    spent: tuple[int, float] = (0, 0.0)


@dataclass
class TeamBuilder:
    """Builds the teams of one track, also when its program changes in the middle of a night: models, their cost and their
    failures carry over from team to team.

    workspace  where agents work; None where nothing is proposed
    executed  what ran in the baseline, for researchers that turn what matters alone
    spent     told of each call to a model, on any thread
    """

    track: Track
    folder: Path
    sandbox: Sandbox
    options: ModelOptions
    spent: Callable[[Call], None]
    workspace: Callable[[], AgentWorkspace]
    executed: Callable[[], Executed | None] = lambda: None
    _budget: ModelBudget | None = None
    _models: dict[str, Model] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def team(self, roles: Iterable[Role]) -> Team:
        """A researcher for each role that proposes, and the advisers. Raises TrackError for what cannot be had."""
        roles = tuple(roles)
        researchers = {role.name: self._researcher(role) for role in roles if role.proposes}
        advisers = {role.kind: self._client(role) for role in roles if role.kind in ADVISE}
        made = Team(researchers, noted=noted, close=partial(_stop, researchers.values()))
        if any(role.kind == "knobs" for role in roles):
            from overnight.researchers.knobs.propose import Knobs  # loads numpy, as its researcher did
            made.taught = next(each.taught for each in researchers.values() if isinstance(each, Knobs))
        if "critic" in advisers:
            words = next(role.prose for role in roles if role.kind == "critic")
            made.critic = lambda told, change, patch: critic(
                advisers["critic"], msgspec.structs.replace(told, role=words), change, patch)
        made.scientist = partial(scientist, advisers["scientist"]) if "scientist" in advisers else None
        made.standup = partial(standup, advisers["standup"]) if "standup" in advisers else None
        made.metrician = partial(metrician, advisers["metrician"]) if "metrician" in advisers else None
        return made

    def _researcher(self, role: Role) -> Researcher:
        if role.kind not in RESEARCHERS:
            known = ", ".join(sorted(RESEARCHERS))
            raise TrackError(f"there is no researcher of the kind '{role.kind}': choose among {known}.")
        return RESEARCHERS[role.kind](self, role)

    def _knobs(self, _role: Role) -> Researcher:
        with _one_thread():
            from overnight.researchers.knobs.propose import Knobs  # loads numpy, for which other commands need not wait
        return Knobs(self.executed)

    def _agent(self, role: Role) -> Researcher:
        return Agent(role, self.track, self.sandbox, self.workspace(), lambda told: page.page(told).text)

    def _replay(self, role: Role) -> Researcher:
        if not role.folder:
            raise TrackError("replay needs a folder of patches: name a role for it in program.md, like "
                             "`again: {kind: replay, folder: patches}`.")
        return Replay(self.folder / role.folder, role.name)

    def _client(self, role: Role) -> ModelClient:
        name = role.model or self.options.model
        if not name:
            raise TrackError(f"the role '{role.name}' needs a model: name one with --model, like openai:gpt-5-mini or "
                             "ollama:qwen3, or in program.md.")
        with self._lock:
            if name not in self._models:
                check(name)
                self._models[name] = Model(name, self.options.price)
            if self._budget is None:
                self._budget = ModelBudget(self.options, self.spent, Spending(*self.options.spent))
        self._budget.check(self._models[name])
        return ModelClient(role.name, self._models[name], self._budget, timeout=role.patience)

    def close(self) -> None:
        """Wait up to CLOSE_SECONDS for calls under way, and hand on a record of those that go on."""
        if self._budget is not None:
            self._budget.close(CLOSE_SECONDS)


# The kinds that propose, as `track/roles.py` names them.
RESEARCHERS: dict[str, Callable[[TeamBuilder, Role], Researcher]] = {
    "knobs": TeamBuilder._knobs,
    "llm": lambda builder, role: Author(builder._client(role)),
    "agent": TeamBuilder._agent,
    "replay": TeamBuilder._replay,
    "placebo": lambda builder, role: Placebo(),
}


def _stop(researchers: Iterable[Researcher]) -> None:
    """End what agents have under way."""
    for each in researchers:
        getattr(each, "stop", lambda: None)()
