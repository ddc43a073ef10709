"""Draws support tickets with their labels, from wordings that are combined anew each time.

`python tickets.py > examples.txt` made the examples that a prompt may show.
"""

import json
import random
from pathlib import Path

LABELS = ("billing", "delivery", "technical")
ASIDES = 0.3  # share of the tickets that also mention another matter, which is no problem
EXAMPLES = 24


def wordings(path):
    """What tickets are made of: openings, asides with {matter}, and for each label its matters and complaints."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def filled(text, words, lots):
    """A text with each {slot} filled from the list of that name."""
    before, brace, rest = text.partition("{")
    if not brace:
        return text
    name, _, after = rest.partition("}")
    return before + lots.choice(words[name]) + filled(after, words, lots)


def ticket(label, words, lots):
    """One ticket about a label."""
    parts = [lots.choice(words["openings"]), filled(lots.choice(words[label]["complaints"]), words["slots"], lots)]
    if lots.random() < ASIDES:
        other = lots.choice([each for each in LABELS if each != label])
        aside = lots.choice(words["asides"]).replace("{matter}", lots.choice(words[other]["matters"]))
        parts.insert(lots.randint(1, 2), aside)
    return written([part for part in parts if part])


def written(parts):
    """Parts as one text: each begins with a capital letter, but behind a comma."""
    pairs = zip(["", *parts], parts, strict=False)
    return " ".join(part if before.endswith(",") else part[0].upper() + part[1:] for before, part in pairs)


def draw(count, lots, words):
    """So many pairs of a ticket and its label, in random order, no ticket twice."""
    found = {}
    while len(found) < count:
        label = lots.choice(LABELS)
        found.setdefault(ticket(label, words, lots), label)
    return list(found.items())


if __name__ == "__main__":
    lots, made = random.Random(2026), []
    for label in LABELS:
        words = wordings(Path(__file__).with_name("wordings.json"))
        made += [(label, ticket(label, words, lots)) for _ in range(EXAMPLES // len(LABELS))]
    for label, text in made:
        print(label, text)
