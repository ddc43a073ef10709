"""What every role that uses a model has: a name, a model, a budget that pays, and a page to read.

The prompt and the page's lasting part come first and are the same from call to call, so that a provider's
cache holds them; what the night has changed and the task come last.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from overnight.brief.page import page
from overnight.contracts import Brief
from overnight.researchers.llm.budget import LanguageModel, ModelBudget
from overnight.researchers.llm.model import ModelAnswer, Request

PROMPTS = Path(__file__).parent / "prompts"


@dataclass(frozen=True, slots=True)
class ModelClient:
    """A role that thinks with a model. It remembers nothing between two calls.

    name     of the role
    page     tokens of the page at most
    answer   tokens of an answer at most, with what the model thinks to itself
    timeout  seconds for an answer
    """

    name: str
    model: LanguageModel
    budget: ModelBudget
    page: int = 12_000
    answer: int = 16_000
    timeout: float = 300.0

    def ask(self, purpose: str, brief: Brief, task: str = "", *, prompt: str = "",
            conversation: tuple[tuple[str, str], ...] = (), schema: dict[str, Any] | None = None) -> ModelAnswer:
        """One call about a brief: with this prompt, or else the purpose's; where a JSON `schema` is given, the answer should
        keep it. Raises Away, EditError."""
        told = page(brief, self.page)
        stable = "\n\n".join(part for part in (prompt or text(purpose), told.stable) if part)
        return self.budget.ask(self.model, Request(
            role=self.name, purpose=purpose, asked=brief.seed, stable=stable, current=f"{told.current}\n\n{task}".strip(),
            conversation=conversation, max_tokens=self.answer, timeout=self.timeout, schema=schema))


def text(name: str) -> str:
    """A prompt, from its file."""
    return (PROMPTS / f"{name}.md").read_text(encoding="utf-8").strip()
