"""Scoring language models: what a text costs, and that nobody may look ahead, sideways or back."""

import math

import numpy
import pytest

from language_models import CHEATS, HONEST, VOCABULARY
from overnight.scoring import Broken, Foul, Oracle
from overnight.scoring.language import batched, bits_per_byte, cuts, probabilities, streaming, surprises, windows
from scoring_harness import Candidate

TEXT = numpy.random.default_rng(0).integers(0, VOCABULARY, 12_000)


# ---- token by token ------------------------------------------------------------------------------------------------


@pytest.mark.sandbox
def test_a_token_is_told_only_after_its_distribution_came():
    source = "seen = []\nfor h, _ in questions(): seen.append(h['token']); say([0.5, 0.25, 0.25] if len(seen) < 4 else seen)"
    with Candidate(source):
        assert streaming(Oracle.given(), [0, 1, 2], 3) == pytest.approx([math.log(2), math.log(4), math.log(4)])
        assert Oracle.given().ask({"token": None}) == [None, 0, 1, None]


@pytest.mark.sandbox
def test_logits_may_be_shifted_but_not_out_of_the_sum():
    source = "import struct\nfor h, _ in questions(): give(struct.pack('<3f', 1001, 1002, 1003))"
    total = sum(math.exp(x) for x in (1, 2, 3))
    with Candidate(source):
        assert streaming(Oracle.given(), [0, 2], 3, logits=True) == pytest.approx(
            [math.log(total) - 1, math.log(total) - 3])


@pytest.mark.sandbox
@pytest.mark.parametrize("logit", ["math.inf", "-math.inf", "math.nan"])
def test_a_logit_that_is_not_finite_is_refused(logit):
    source = f"import math, struct\nfor h, _ in questions(): give(struct.pack('<3f', 0, {logit}, 0))"
    with Candidate(source), pytest.raises(Broken, match="not finite"):
        streaming(Oracle.given(), [0, 1], 3, logits=True)


@pytest.mark.sandbox
def test_what_was_thought_impossible_cannot_be_scored():
    with Candidate("for h, _ in questions(): say([1, 0])"), pytest.raises(Broken, match="probability 0"):
        streaming(Oracle.given(), [1], 2)


@pytest.mark.parametrize(("answer", "why"), [
    ({"p": 1}, "not a list of 2"), ([0.5], "not a list of 2"), ([0.5, 0.5, 0.0], "not a list of 2"), (None, "not a list of 2"),
    ([1.5, -0.5], "not a probability"), ([True, False], "not a probability"), (["1", 0], "not a probability"),
    ([10**400, 0], "not a probability"), ([1, 1], "sum to"), ([0, 0], "sum to"), ([0.5, 0.500003], "sum to"),
], ids=str)
def test_what_is_no_distribution_is_refused(answer, why):
    with pytest.raises(Broken, match=why):
        probabilities(answer, 2)


# ---- windows at once -----------------------------------------------------------------------------------------------


@pytest.mark.sandbox
@pytest.mark.parametrize("source", HONEST.values(), ids=HONEST)
def test_an_honest_model_passes_the_audit(source):
    with Candidate(source):
        assert batched(windows(TEXT, 24, 256, 1), VOCABULARY, 2, audit=3).shape == (256, 24)


@pytest.mark.sandbox
@pytest.mark.parametrize("source", CHEATS.values(), ids=CHEATS)
def test_a_cheat_is_caught_in_256_windows(source):
    with Candidate(source), pytest.raises(Foul, match="it looks ahead, at its neighbours or back"):
        batched(windows(TEXT, 24, 256, 1), VOCABULARY, 2, audit=3)


@pytest.mark.sandbox
def test_no_two_audits_are_the_same(tmp_path):
    again = [told(tmp_path / name, 64, rows=16, share=0.5, audit=None)[1] for name in "ab"]
    assert (again[0][:64] == again[1][:64]).all()
    assert (again[0][64:] != again[1][64:]).any()


@pytest.mark.sandbox
def test_a_run_that_is_not_to_be_audited_gives_the_same_numbers_from_one_process(tmp_path, monkeypatch):
    with Candidate(HONEST["bigram"]) as candidate:
        audited = batched(windows(TEXT, 24, 64, 1), VOCABULARY, 2)
        assert candidate.starts > 1
    monkeypatch.setenv("OVERNIGHT_AUDIT", "0")
    with Candidate(HONEST["bigram"]) as candidate:
        assert (batched(windows(TEXT, 24, 64, 1), VOCABULARY, 2) == audited).all() and candidate.starts == 1
    _, rows, starts = told(tmp_path, 64, rows=16, audit=None)
    assert len(rows) == 64 and starts == 1


def test_there_are_twenty_honest_models():
    assert len(HONEST) == 20


@pytest.mark.sandbox
def test_the_surprise_is_that_of_the_right_token():
    with Candidate(HONEST["bigram"]):
        drawn = windows(TEXT, 10, 30, 1)
        nats = batched(drawn, VOCABULARY, 2, rows=7, share=0.5)
    scope = {}
    exec(HONEST["bigram"].partition("for header")[0], scope)
    table = scope["BIGRAM"].astype("f8")
    table -= numpy.log(numpy.exp(table).sum(1, keepdims=True))
    assert nats == pytest.approx(-table[drawn[:, :-1], drawn[:, 1:]])


ECHOED = "import hashlib, array\nfor h, b in questions(): open({path!r}, 'ab').write(b); give(bytes(len(b) * {v}))"


def told(tmp_path, count, **options):
    """What a model that learns nothing is told, pass by pass: windows without their last token."""
    tmp_path.mkdir(exist_ok=True)
    path = tmp_path / "told"
    drawn = windows(TEXT, 8, count, 1)
    with Candidate(ECHOED.format(path=str(path), v=VOCABULARY)) as candidate:
        batched(drawn, VOCABULARY, 2, **{"audit": 3} | options)
    return drawn, numpy.fromfile(path, "<i4").reshape(-1, 8), candidate.starts


@pytest.mark.sandbox
def test_the_audit_shows_each_window_only_up_to_a_cut(tmp_path):
    drawn, rows, _ = told(tmp_path, 256, rows=16)
    first, second = rows[:256], rows[256:]
    assert sorted(map(tuple, first)) == sorted(map(tuple, drawn[:, :-1]))
    by_beginning = {row[0]: [] for row in drawn.tolist()}
    for row in drawn.tolist():
        by_beginning[row[0]].append(row)
    kept = [max(sum(numpy.cumprod(row == other[:-1])) for other in by_beginning[row[0]]) for row in second]
    assert set(kept) == set(range(1, 9))


@pytest.mark.sandbox
def test_no_more_windows_are_cut_than_it_takes(tmp_path):
    _, rows, starts = told(tmp_path, 640, rows=16)
    assert cuts(0.03, 1e-3) == 227
    assert len(rows) == 640 + 240
    assert starts == 2


@pytest.mark.sandbox
def test_few_windows_are_cut_again_and_again_each_time_in_a_fresh_process(tmp_path):
    _, rows, starts = told(tmp_path, 60, rows=20)
    assert starts == 1 + math.ceil(227 / 60)
    assert len(rows) == 60 * 4 + 60


@pytest.mark.sandbox
def test_rows_that_do_not_come_out_even_are_filled_up(tmp_path):
    _, rows, _ = told(tmp_path, 50, rows=16, share=0.5, miss=0.5)
    assert len(rows) == 64 + 16


@pytest.mark.sandbox
def test_windows_are_for_a_process_that_was_asked_nothing_else():
    with Candidate(f"for h, b in questions(): give(bytes(len(b) * {VOCABULARY})) if b else say(1)") as candidate:
        assert Oracle.given().ask({}) == 1
        batched(windows(TEXT, 8, 256, 1), VOCABULARY, 2)
        assert candidate.starts == 3


@pytest.mark.sandbox
def test_a_tolerance_forgives_what_is_smaller():
    noise = "\nnoise = np.random.default_rng()\ndef logits(x): return BIGRAM[x] + 1e-4 * noise.random(size=(*x.shape, V))"
    source = HONEST["bigram"].replace("def logits(x): return BIGRAM[x]", noise)
    with Candidate(source):
        assert batched(windows(TEXT, 8, 256, 1), VOCABULARY, 2, tolerance=1e-3).shape == (256, 8)


@pytest.mark.sandbox
@pytest.mark.parametrize("source", ["give(bytes(header['bytes']))", "time.sleep(60)", "give(b'\\xff' * 100000000)"])
def test_logits_of_another_size_or_value_are_refused(source):
    with Candidate(f"for header, body in questions(): {source}"), pytest.raises(Broken):
        batched(windows(TEXT, 8, 20, 1), VOCABULARY, 2, within=0.5)


@pytest.mark.parametrize("wrong", [numpy.zeros((2, 1), "i4"), numpy.zeros((0, 5), "i4"), numpy.zeros(5, "i4"),
                                   numpy.zeros((2, 5), "f4"), numpy.full((2, 5), 99), numpy.full((2, 5), -1)])
def test_windows_that_are_none_are_the_scorers_error(wrong):
    with pytest.raises(ValueError, match="window"):
        batched(wrong, VOCABULARY, 2)


# ---- arithmetic ----------------------------------------------------------------------------------------------------


def test_the_surprise_is_taken_over_the_whole_vocabulary():
    logits = numpy.random.default_rng(3).normal(size=(2, 7, 50_000)).astype("f4") * 20
    targets = numpy.random.default_rng(4).integers(0, 50_000, (2, 7))
    found = surprises(logits, targets)
    for row in range(2):
        for place in range(7):
            values = [float(x) for x in logits[row, place]]
            highest = max(values)
            exact = math.log(math.fsum(math.exp(x - highest) for x in values)) + highest - values[targets[row, place]]
            assert found[row, place] == pytest.approx(exact, rel=1e-12)


def test_enormous_logits_cost_enormously_but_are_numbers():
    logits = numpy.array([[3e38, -3e38]], "f4")
    assert surprises(logits, numpy.array([1]))[0] == pytest.approx(6e38)
    assert surprises(logits, numpy.array([0]))[0] == 0


@pytest.mark.parametrize(("share", "miss"), [(0.03, 1e-3), (0.5, 1e-6), (0.001, 0.01)])
def test_there_are_as_many_cuts_as_make_a_miss_rare_enough(share, miss):
    assert (1 - share) ** cuts(share, miss) <= miss < (1 - share) ** (cuts(share, miss) - 1)


def test_windows_share_no_token():
    drawn = windows(numpy.arange(1000), 9, 100, 5)
    assert sorted(drawn.ravel().tolist()) == list(range(1000))
    assert (numpy.diff(drawn) == 1).all()


def test_a_text_of_bytes_is_its_own_tokens():
    assert bytes(windows("später".encode(), 6, 1, 0)[0].tolist()) == "später".encode()


def test_a_text_that_is_too_short_is_the_scorers_error():
    with pytest.raises(ValueError, match="has no 3 windows of 6"):
        windows(b"0123456789abcde", 5, 3, 0)


def test_bits_are_for_each_byte_of_raw_text():
    nats = numpy.full((2, 2), math.log(2) * 6)
    tokens = numpy.array([[0, 1], [1, 1]])
    assert bits_per_byte(nats, tokens) == pytest.approx(6)
    assert bits_per_byte(nats, tokens, [b"abc", b"d"]) == pytest.approx(4)


def test_surprises_that_belong_to_no_token_are_not_counted():
    with pytest.raises(ValueError, match="2 surprises for 3 tokens"):
        bits_per_byte([1.0, 2.0], [1, 2, 3])
