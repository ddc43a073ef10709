"""What a model is told so that it sorts support tickets: an instruction, some examples, and the ticket.

`python prompt.py` leaves messages.json in $OVERNIGHT_OUT, a list of messages as chat models take them. The last one is the
user's and holds {ticket} once, where each ticket will stand. The scorer puts the tickets in, asks the model, and compares the
first word of each answer with billing, delivery or technical.
"""

import json
import os
import random

LABELS = ("billing", "delivery", "technical")
EXAMPLES = 2  # of those in examples.txt  # knob: int 0..12
ORDER = "listed"  # of the examples  # knob: choice listed shuffled alternating
INSTRUCTION = "question"  # which of the texts below  # knob: choice question task role
EXPLAIN = "nothing"  # what is said of each label  # knob: choice nothing short long
ANSWER = "free"  # how the answer is asked for  # knob: choice free word only
EXAMPLES_AS_TURNS = False  # as an earlier conversation, instead of as lines of the instruction
RULES_FIRST = False  # instruction and rules come before the ticket, not behind it

INSTRUCTIONS = {
    "question": "Is this ticket about billing, delivery or technical things?",
    "task": "Sort this support ticket by its main problem into billing, delivery or technical.",
    "role": "You sort the support tickets of a shop. Each is billing, delivery or technical.",
}
EXPLANATIONS = {
    "nothing": "",
    "short": "billing: money and invoices\ndelivery: parcels\ntechnical: the app and the website",
    "long": "billing: a charge, an invoice, a refund, a payment, a price\n"
            "delivery: a parcel, a courier, an address, something late, lost or damaged\n"
            "technical: the app, the website, a login, a password, an error, a crash",
}
ANSWERS = {"free": "", "word": "Answer with one word.", "only": "Answer with the label only: billing, delivery or technical."}


def examples(lots):
    """Pairs of a ticket and its label, in the order in which they are shown."""
    with open("examples.txt", encoding="utf-8") as file:
        pool = [tuple(reversed(line.rstrip("\n").split(" ", 1))) for line in file]
    if ORDER == "shuffled":
        lots.shuffle(pool)
    if ORDER == "alternating":
        by_label = ([pair for pair in pool if pair[1] == label] for label in LABELS)
        pool = [pair for row in zip(*by_label, strict=True) for pair in row]
    return pool[:EXAMPLES]


def messages(lots):
    """The conversation up to the ticket."""
    shown = examples(lots)
    rules = [INSTRUCTIONS[INSTRUCTION], EXPLANATIONS[EXPLAIN], ANSWERS[ANSWER]]
    if not EXAMPLES_AS_TURNS:
        rules += [f"{ticket} -> {label}" for ticket, label in shown]
    text = "\n".join(filter(None, rules))
    turns = [{"role": role, "content": said} for pair in shown for role, said in zip(("user", "assistant"), pair, strict=True)]
    before = turns if EXAMPLES_AS_TURNS else []
    if RULES_FIRST:
        return [{"role": "system", "content": text}, *before, {"role": "user", "content": "{ticket}"}]
    return [*before, {"role": "user", "content": f"{{ticket}}\n\n{text}"}]


if __name__ == "__main__":
    with open(os.path.join(os.environ["OVERNIGHT_OUT"], "messages.json"), "w") as out:
        json.dump(messages(random.Random(int(os.environ["OVERNIGHT_SEED"]))), out)
