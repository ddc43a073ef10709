"""The `llm` researcher: one call for a change, and at most three repairs in the same conversation, each with the reason."""

from __future__ import annotations

import msgspec

from overnight.contracts import Brief, Change, Past
from overnight.errors import EditError
from overnight.researchers.llm import edits
from overnight.researchers.llm.mind import Mind, text
from overnight.words import fenced, quoted

REPAIRS = 3
PASS = "PASS"
TOLD = 1_000  # characters of a title or an idea's text within the task
DRAFT = 24_000  # characters of a change that is shown again


class Author:
    """Proposes what a model writes. Stateless: the same brief may be given to it again, or to another."""

    def __init__(self, mind: Mind) -> None:
        self.mind, self.name = mind, mind.name

    def propose(self, brief: Brief) -> Change | None:
        """A change that applies, parses and stays within the boundary; None where `again` is given up. Raises EditError, Away."""
        task, told = asked(brief), text("repair")
        conversation: tuple[tuple[str, str], ...] = ()
        reason = ""
        for purpose in ("propose", *["repair"] * REPAIRS):
            answer = self.mind.ask(purpose, brief, task, prompt="author", conversation=conversation)
            if brief.again is not None and answer.text.strip().startswith(PASS):
                return None
            try:
                change = edits.change(answer.text, brief)
                return msgspec.structs.replace(change, idea=brief.idea.id if brief.idea else 0)
            except EditError as error:
                reason = f"it was cut off at its longest, {self.mind.answer:,} tokens: be brief." if answer.cut else str(error)
            conversation += ((answer.text, told.replace("{reason}", reason)),)
        raise EditError(f"{self.name} wrote no usable change in {REPAIRS + 1} answers; the last: {reason}")


# ---- the task, which comes last --------------------------------------------------------------------------------


def asked(brief: Brief) -> str:
    """What is wanted this time, in a few words below the page."""
    if brief.draft is not None:
        return _sent_back(brief.draft, brief)
    if brief.again is not None:
        return _anew(brief.again)
    if brief.idea is not None:
        words = quoted(brief.idea.title, TOLD)
        more = fenced(brief.idea.text, f"idea {brief.idea.id} of the queue", 4 * TOLD) if brief.idea.text else ""
        return "\n".join(part for part in (f"# Your task\n\nWrite one change that tries idea {brief.idea.id}, {words}.", more) if part)
    return "# Your task\n\nWrite one change of your own that was not tried yet."


def _anew(past: Past) -> str:
    return (f"# Your task\n\nExperiment {past.id}, {quoted(past.message, TOLD)}, was written for older files and no longer applies. Write "
            f"the same change for the files as they are on this page. If they make it pointless, answer {PASS} and nothing else.")


def _sent_back(draft: Change, brief: Brief) -> str:
    written = edits.Written(draft.message.partition("\n")[0], draft.message.partition("\n")[2].strip(),
                            edits.between(brief.files, draft.files))
    return "\n\n".join([
        "# Your task\n\nA critic read this change of yours before it ran and sent it back. Its advice is cheap and may be wrong: "
        "follow what is right in it, and write the change again, whole.",
        fenced(edits.render(written), "your change", DRAFT), fenced(brief.advice, "the critic's advice", 2 * TOLD)])
