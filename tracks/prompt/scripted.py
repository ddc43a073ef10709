"""A made-up model, so that the track runs without one: it answers chats by rules, and how well depends on what it is told.

Labels it knows only from the prompt. What belongs to which label it knows in part, learns the rest from examples and
explanations, and mixes up what it saw last with what is right. Long prompts blur it; text behind the ticket makes it lose the
ticket; asides in a ticket mislead it unless it is told to look for the problem; and unless it is told to be brief it may chat.
Chance is drawn from the salt: most of it belongs to the ticket, so that two prompts meet the same hard tickets, and some to
ticket and prompt together.

    python -m overnight.testing.server --script tracks/prompt/scripted.py      serves it over HTTP

It is private: whoever reads these rules improves the rules' number and no prompt.
"""

import functools
import hashlib
import itertools
import random
import re

KNOWN = {
    "billing": "card charged invoice refund voucher subscription pay fee bill price bank discount account",
    "delivery": "arrived courier box address shipped depot parcel driver shipment broken tracking customs",
    "technical": "app log link page screen error password site website search update basket",
}
BRIEF = re.compile(r"\b(one word|only|nothing else|just the)\b", re.IGNORECASE)
PAIR = re.compile(r"^(.+?)\s*(?:->|=>|:|\n\S+:)\s*(billing|delivery|technical)\s*$", re.IGNORECASE | re.MULTILINE)
EXPLANATION = re.compile(r"^\W*(billing|delivery|technical)\s*[:=-]+\s*(.+)$", re.IGNORECASE | re.MULTILINE)
FOCUS = re.compile(r"\b(main|actual|problem|ignore|aside|by the way)\b", re.IGNORECASE)
ASIDE = re.compile(r"[^.)]*\b(by the way|not about|otherwise|thank you|nothing to say|happy with|aside|praise)\b[^.)]*",
                   re.IGNORECASE)
CUE = re.compile(r"^\w*:$")  # such as "Label:", where the answer is to stand

OWN = 1.2  # what a word counts that it knows
SEEN = 0.7  # what a word counts that an example showed for one label alone
TOLD = 1.2  # one that an explanation names
RECENT = 0.4  # the label of the last example
MANY = 1.0  # a label that all examples have
HARD = 0.4  # standard deviation of the chance that belongs to a ticket
FICKLE = 0.2  # that which belongs to a ticket and a prompt
BLUR = 3000  # characters that double both
LOST = 0.06  # share of the tickets that are not read where text follows them, for each 100 characters of it
MOST_LOST = 0.5  # share of the tickets that are lost however long the text is
CHATTY = 0.2  # share of the answers that begin otherwise unless it is told to be brief, or sees brief answers


def answer(messages, salt=""):
    """What it says to a conversation."""
    turns = tuple((each["role"], each["content"]) for each in messages)
    before, last = turns[:-1], turns[-1][1]
    ticket, behind, around = _ticket(last)
    prompt = _read(before, around)
    chance = _chance(salt, ticket, str(prompt["text"]) + around)
    if chance["lost"] < min(MOST_LOST, LOST * behind / 100):
        ticket = ""
    if prompt["focus"]:
        ticket = ASIDE.sub("", ticket)
    label = max(prompt["labels"], key=lambda each: _score(each, ticket, prompt, chance), default="")
    if not label:
        return "It is a request."
    return label if prompt["brief"] or chance["chat"] > CHATTY else f"This is about {label}."


def _ticket(last):
    """The ticket in the last message, which is its first line of three words or more that is no pair and no explanation; the
    number of characters behind it that are no cue; and everything around it."""
    lines = last.split("\n")
    told = (PAIR.match, EXPLANATION.match, re.compile("billing", re.IGNORECASE).search)
    at = next((n for n, line in enumerate(lines) if len(line.split()) > 2 and not any(tells(line) for tells in told)), 0)
    behind = sum(len(line) for line in lines[at + 1:] if not CUE.match(line.strip()))
    return lines[at], behind, "\n".join(lines[:at] + lines[at + 1:])


@functools.lru_cache(maxsize=64)
def _read(before, around):
    """What a prompt says: labels, pairs, explanations, and whether it asks to be brief."""
    text = "\n".join([said for role, said in before if role == "system"] + [around])
    turns = [(said, reply) for (role, said), (whose, reply) in itertools.pairwise(before)
             if (role, whose) == ("user", "assistant")]
    pairs = [(ticket, label.lower()) for ticket, label in (*turns, *PAIR.findall(text)) if label.lower() in KNOWN]
    everything = f"{text} {' '.join(label for _, label in pairs)}".lower()
    told = {}
    for label, words in EXPLANATION.findall(text):
        told.setdefault(label.lower(), set()).update(_words(words))
    return {"text": everything, "labels": [label for label in KNOWN if label in everything], "pairs": pairs, "told": told,
            "seen": [(_words(ticket), label) for ticket, label in pairs], "brief": bool(BRIEF.search(text) or turns),
            "focus": bool(FOCUS.search(text)), "long": 1 + sum(len(said) for _, said in before) / BLUR + len(around) / BLUR}


def _score(label, ticket, prompt, chance):
    """How much speaks for a label."""
    words, found = _words(ticket), 0.0
    found += OWN * sum(word in words for word in KNOWN[label].split())
    found += TOLD * len(words & prompt["told"].get(label, set()))
    for word in words:
        where = {shown for seen, shown in prompt["seen"] if word in seen}
        found += SEEN * (where == {label}) if len(word) > 3 else 0.0
    if prompt["pairs"]:
        labels = [shown for _, shown in prompt["pairs"]]
        found += RECENT * (labels[-1] == label) + MANY * (labels.count(label) / len(labels) - 1 / 3)
    return found + prompt["long"] * (HARD * chance[label, "hard"] + FICKLE * chance[label, "fickle"])


def _chance(salt, ticket, prompt):
    """What is drawn for a ticket, and for this ticket in this prompt."""
    hard, fickle = _drawn(salt, ticket), _drawn(salt, ticket, prompt)
    found = {(label, "hard"): hard.gauss(0, 1) for label in KNOWN} | {(label, "fickle"): fickle.gauss(0, 1) for label in KNOWN}
    return found | {"lost": hard.random(), "chat": hard.random()}


def _drawn(*words):
    return random.Random(hashlib.sha256("\n".join(words).encode()).digest())


def _words(text):
    return set(re.findall(r"[a-z0-9]+", text.lower()))
