"""The share of tickets that a model sorts wrongly when it is told what the candidate left behind.

A candidate leaves text and nothing else; it is dead when the tickets are drawn, here, from wordings that it never sees. Where
$OVERNIGHT_HOLDOUT is set they are drawn from the wordings in that file. A right answer begins with the ticket's label.
Prints {"error_rate": share, "prompt_characters": number}.
"""

import re
from pathlib import Path

from models import TICKETS, model
from tickets import draw, wordings

from overnight.scoring import Broken, holdout, main, numbers, rng

SLOT = "{ticket}"
MOST_MESSAGES = 64
MOST_CHARACTERS = 20_000  # of all messages


def told():
    """The candidate's messages, checked. Raises Broken."""
    found = numbers("messages.json")
    if not isinstance(found, list) or not 1 <= len(found) <= MOST_MESSAGES:
        raise Broken(f"messages.json is not a list of 1 to {MOST_MESSAGES} messages.")
    for each in found:
        if not isinstance(each, dict) or set(each) != {"role", "content"} or not isinstance(each["content"], str):
            raise Broken('a message is not {"role": ..., "content": text}.')
        if each["role"] not in ("system", "user", "assistant"):
            raise Broken("the role of a message is none of system, user and assistant.")
    if found[-1]["role"] != "user" or [each["content"].count(SLOT) for each in found] != [0] * (len(found) - 1) + [1]:
        raise Broken(f"{SLOT} has to stand once, in the last message, which is the user's.")
    if sum(len(each["content"]) for each in found) > MOST_CHARACTERS:
        raise Broken(f"the messages are longer than {MOST_CHARACTERS} characters.")
    return found


def with_ticket(messages, ticket):
    """The conversation that the model is given."""
    last = messages[-1]
    return [*messages[:-1], {**last, "content": last["content"].replace(SLOT, ticket)}]


def is_right(answer, label):
    """Whether an answer's first word is the label; nobody guesses what a longer one may have meant."""
    return re.findall(r"[a-z]+", answer.lower())[:1] == [label]


def score():
    """Every candidate of a pair meets the same tickets."""
    messages, secret = told(), rng()
    ask = model(rng("model").randbytes(16).hex())
    drawn = draw(TICKETS, secret, wordings(holdout() or Path("wordings.json")))
    wrong = sum(not is_right(ask(with_ticket(messages, ticket)), label) for ticket, label in drawn)
    return {"error_rate": wrong / len(drawn), "prompt_characters": sum(len(each["content"]) for each in messages) - len(SLOT)}


if __name__ == "__main__":
    main(score)
