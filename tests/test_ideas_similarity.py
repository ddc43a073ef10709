"""Likeness: the same idea in other words is found, a neighbouring one is not, and any text can be asked about."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overnight.ideas import glossary
from overnight.ideas.similarity import ALIKE, MOST_COMPARED_CHARACTERS, alike, features, likeness

DATA = Path(__file__).parent / "data"


def score(one, two):
    return likeness(features(one), features(two))


def pairs(name):
    return [line.split("\t") for line in (DATA / name).read_text(encoding="utf-8").splitlines()[1:]]


def measured(name):
    """Recall and precision of a list as `python -m bench ideas` defines them."""
    both = pairs(name)
    ideas = [idea for idea, _ in both]
    true = false = 0
    for place, (idea, other) in enumerate(both):
        claims = [found for found, _ in alike(other, ideas)]
        true += place in claims
        false += len([found for found in claims if found != place])
        false += len(alike(idea, ideas[:place]))
    return true / len(both), true / (true + false)


@pytest.mark.parametrize(("one", "two"), [
    ("Raise the learning rate", "a larger LR"),
    ("Use RMSNorm instead of LayerNorm", "Replace layer normalisation with RMS normalization"),
    ("Tie the embeddings", "weight tying of the token embedding"),
    ("label smoothing of 0.1", "Smooth the labels by 10 %"),
    ("warm up the step size", "Learning rate warmup"),
    ("Regularise with dropout", "regularize by dropuot"),
    ("Tokeniser with 512 merges by BPE", "byte-pair encoding, 512 merges"),
])
def test_the_same_idea_in_other_words_is_found(one, two):
    assert score(one, two) >= ALIKE


@pytest.mark.parametrize(("one", "two"), [
    ("Raise the learning rate", "Lower the learning rate"),
    ("Set the width to 64", "Set the width to 128"),
    ("Add dropout", "Remove dropout"),
    ("Train with dropout", "Train without dropout"),
    ("Replace Adam by Lion", "Replace Lion by Adam"),
    ("Use Lion", "Use Adam"),
    ("Tie the embeddings", "Untie the embeddings"),
    ("Pre-norm blocks", "Post-norm blocks"),
    ("Use first-fit", "Use best-fit"),
    ("A longer warm-up", "A longer context"),
])
def test_a_neighbouring_idea_is_another_one(one, two):
    assert score(one, two) < ALIKE


@pytest.mark.parametrize(("name", "found", "right"), [
    ("ideas.tsv", 0.87, 0.95), ("ideas_second.tsv", 0.70, 0.92), ("ideas_held_out.tsv", 0.50, 0.95)])
def test_recall_and_precision_are_what_was_reached(name, found, right):
    recall, precision = measured(name)
    assert recall >= found and precision >= right


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_score_is_a_share_and_the_same_both_ways(one, two):
    assert 0 <= score(one, two) <= 1
    assert score(one, two) == pytest.approx(score(two, one))


@given(st.lists(st.sampled_from([word for pair in pairs("ideas.tsv") for text in pair for word in text.split()]), min_size=1))
@settings(max_examples=200)
def test_an_idea_is_like_itself(words):
    text = " ".join(words)[:MOST_COMPARED_CHARACTERS]
    if any(term[0] not in "~#" for term in features(text).terms):
        assert score(text, text) == pytest.approx(1)


def test_the_best_comes_first_and_all_are_above_the_threshold():
    found = alike("Raise the learning rate to 0.02", ["Use Muon", "A higher LR for the embeddings", "LR 0.02 rather than less",
                                                    "Raise the learning rate to 0.02"])
    assert found[0] == (3, pytest.approx(1))
    assert [place for place, _ in found][:2] == [3, 2]
    assert all(score >= ALIKE for _, score in found)


@pytest.mark.parametrize("text", ["", "   ", "?!", "\0\x1b[31m", "the of and", "0" * 5000, "1e-99999999", "9e999999999"])
def test_what_says_nothing_is_like_nothing(text):
    assert alike(text, ["Raise the learning rate", "Use Muon"]) == []


def test_only_the_beginning_of_a_megabyte_is_compared():
    idea = "Use rotary position embeddings. "
    assert alike(idea + "x " * (1 << 19), [idea + "y " * (1 << 19), "Use Muon"])[0][0] == 0
    assert max(len(term) for term in features("x" * (1 << 20)).terms) < 1 << 10


@pytest.mark.parametrize("section", ["names 3", "parts 2", "broad 1"])
def test_each_term_of_the_glossary_is_listed_once(section):
    names = [glossary._entry(line, 1.0)[0].name for line in glossary._sections()[section]]
    assert len(names) == len(set(names))


def test_each_term_of_the_glossary_is_found_by_its_name():
    for name in glossary.load().terms:
        assert features(name).terms, name


@pytest.mark.parametrize("variant", ["learning rate", "lr", "step size", "stepsize"])
def test_synonyms_are_one_term(variant):
    assert "learning rate" in features(variant).terms


def test_percent_are_hundredths_and_glued_digits_are_names():
    assert features("warm up for 5 % of the run").numbers == features("warm up for 0.05 of the run").numbers
    assert features("use bf16").numbers == frozenset()
