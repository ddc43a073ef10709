"""The `llm` researcher: one call for a change, and at most three repairs in the same conversation, each with the reason."""

from __future__ import annotations

from typing import Any

import msgspec

from overnight.contracts import Brief, Change
from overnight.errors import EditError
from overnight.researchers.llm import edits
from overnight.researchers.llm.client import ModelClient, text
from overnight.researchers.llm.edits import structured
from overnight.untrusted import flat, tame

REPAIRS = 3
REASON = 800  # characters; it quotes lines of a file
PASS = "PASS"
POINTLESS = f"If today's code makes that change pointless, answer {PASS} and nothing else."


class Author:
    """Proposes what a model writes. Stateless: the same brief may be given to it again, or to another."""

    def __init__(self, client: ModelClient) -> None:
        self.client, self.name = client, client.name

    def propose(self, brief: Brief) -> Change | None:
        """A change that applies, parses and stays within the boundary; None where `again` is given up. Raises EditError,
        Away."""
        task, told = POINTLESS if brief.again else "", text("repair")
        prompt = text("author").replace("{form}", text("form_json" if self.client.model.structured else "form"))
        conversation: tuple[tuple[str, str], ...] = ()
        reason = ""
        for purpose in ("propose", *["repair"] * REPAIRS):
            answer = self.client.ask(purpose, brief, task, prompt=prompt, conversation=conversation,
                                     schema=self._schema(brief, len(conversation) == REPAIRS))
            if brief.again is not None and answer.text.strip().startswith(PASS):
                return None
            try:
                change = edits.change(answer.text, brief)
                return msgspec.structs.replace(change, idea=brief.idea.id if brief.idea else 0)
            except EditError as error:
                reason = f"it was cut off at {self.client.answer:,} tokens: be brief." if answer.cut else str(error)
            conversation += ((answer.text, told.replace("{reason}", tame(flat(reason)[:REASON]))),)
        raise EditError(f"{self.name} wrote no usable change in {REPAIRS + 1} answers; the last: {reason}")

    def _schema(self, brief: Brief, last: bool) -> dict[str, Any] | None:
        """What the answer is held to, where the model's server can do that; at the `last` attempt, a form in which least can go
        wrong. None where a model is free to answer PASS."""
        if brief.again or not self.client.model.structured:
            return None
        return structured.schema(brief.files, brief.editable, last)
