"""The library for scorers: what it reads from a candidate, and what it makes of every byte that it should not have sent."""

import ast
import io
import json
import math
import os
import socket
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import overnight.scoring
from overnight import scoring
from overnight.scoring import Broken, Foul, Oracle, fresh
from scoring_harness import Candidate

ECHO = "for header, body in questions(): say(header)"
BYTES = "for header, body in questions(): give(body)"


# ---- what is said in the end ---------------------------------------------------------------------------------------------------


def printed(score, capsys):
    """The one JSON object that main prints for a scorer."""
    scoring.main(score)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return json.loads(out)


def raising(error):
    """A scorer that ends so."""
    def score():
        raise error
    return score


def test_metrics_are_printed_as_one_object(capsys):
    assert printed(lambda: {"loss": 1, "half": Fraction(1, 2), "f": numpy.float32(0.25)}, capsys) == {
        "loss": 1.0, "half": 0.5, "f": 0.25}


def test_a_foul_is_printed_with_its_reason(capsys):
    assert printed(raising(Foul("it looked")), capsys) == {"foul": "it looked"}


def test_what_is_broken_is_printed_as_invalid(capsys):
    assert printed(raising(Broken("it died")), capsys) == {"invalid": "it died"}


def test_a_reason_is_bounded_and_has_no_control_characters(capsys):
    reason = printed(raising(Foul("\x1b[2J" + "x" * 5000)), capsys)["foul"]
    assert reason == "?[2J" + "x" * 296


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, "1", None, [1.0], 10**400, numpy.nan, numpy.bool_(True)],
                         ids=repr)
def test_what_is_no_finite_real_number_is_invalid(value, capsys):
    assert list(printed(lambda: {"loss": value}, capsys)) == ["invalid"]


@pytest.mark.parametrize("name", ["foul", "invalid"])
def test_no_metric_can_be_called_like_a_verdict(name):
    with pytest.raises(ValueError, match="take it for a verdict"):
        scoring.main(lambda: {name: 1.0})


def test_an_error_of_the_scorer_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        scoring.main(lambda: {"loss": 1 / 0})


# ---- the oracle ----------------------------------------------------------------------------------------------------


@pytest.mark.sandbox
def test_a_question_and_its_answer_are_a_line_each():
    with Candidate(ECHO):
        assert Oracle.given().ask({"a": [1.5, None]}) == {"a": [1.5, None]}


@pytest.mark.sandbox
def test_answers_are_timed_from_the_end_of_the_question_and_from_its_beginning():
    with Candidate(ECHO):
        oracle = Oracle.given()
        oracle.ask({})
        assert 0 < oracle.elapsed <= oracle.whole
        assert oracle.asked == 1


@pytest.mark.sandbox
def test_raw_bytes_go_both_ways():
    with Candidate(BYTES):
        payload = os.urandom(3 << 20)
        assert Oracle.given().exchange({"n": 1}, payload, len(payload)) == payload


@pytest.mark.sandbox
def test_arrays_go_both_ways_with_their_shape():
    with Candidate("for h, b in questions(): assert (h['shape'], h['dtype']) == ([2, 3], 'int32'); give(b)"):
        question = numpy.arange(6, dtype="i4").reshape(3, 2).T
        answer = Oracle.given().exchange_array({}, question, (2, 3), "int32")
        assert (answer == question).all()


@pytest.mark.sandbox
def test_an_array_that_is_not_finite_is_refused():
    with Candidate(BYTES), pytest.raises(Broken, match="not finite"):
        Oracle.given().exchange_array({}, numpy.array([1, math.nan], "f4"), (2,))


@pytest.mark.sandbox
def test_an_array_that_is_not_finite_passes_where_it_may():
    with Candidate(BYTES):
        assert math.isnan(Oracle.given().exchange_array({}, numpy.array([math.nan], "f4"), (1,), finite=False)[0])


HOSTILE = {
    "never": ("sys.stdin.readline(); time.sleep(60)", Broken, "took longer than 0.5 s"),
    "never reads": ("time.sleep(60)", Broken, "took longer than 0.5 s"),
    "drop by drop": ("sys.stdin.readline()\nwhile True: give(b' '); time.sleep(0.05)", Broken, "took longer than 0.5 s"),
    "half a line": ("sys.stdin.readline(); give(b'[1'); time.sleep(60)", Broken, "took longer than 0.5 s"),
    "endless line": ("sys.stdin.readline()\nwhile True: give(b' ' * 65536)", Broken, "longer than 1048576 bytes"),
    "long line": ("sys.stdin.readline(); give(b' ' * (1 << 20) + b'1\\n')", Broken, "longer than 1048576 bytes"),
    "dies": ("sys.stdin.readline(); os._exit(1)", Broken, "ended before it answered"),
    "dies half way": ("sys.stdin.readline(); give(b'[1'); os._exit(1)", Broken, "ended before it answered"),
    "closes its answer": ("sys.stdin.readline(); os.close(1); time.sleep(60)", Broken, "ended before it answered"),
    "empty line": ("sys.stdin.readline(); give(b'\\n')", Broken, "not JSON"),
    "no JSON": ("sys.stdin.readline(); give(b'hello\\n')", Broken, "not JSON"),
    "python": ("sys.stdin.readline(); give(b\"{'a': 1}\\n\")", Broken, "not JSON"),
    "no text": ("sys.stdin.readline(); give(b'\"\\xff\"\\n')", Broken, "not JSON"),
    "another encoding": ("sys.stdin.readline(); give('[1]\\n'.encode('utf-16-be'))", Broken, "not JSON"),
    "a byte order mark": ("sys.stdin.readline(); give(b'\\xef\\xbb\\xbf1\\n')", Broken, "not JSON"),
    "nan": ("sys.stdin.readline(); give(b'[NaN]\\n')", Broken, "not finite"),
    "infinity": ("sys.stdin.readline(); give(b'-Infinity\\n')", Broken, "not finite"),
    "overflow": ("sys.stdin.readline(); give(b'[1e999]\\n')", Broken, "not finite"),
    "too many digits": ("sys.stdin.readline(); give(b'1' * 100000 + b'\\n')", Broken, "not JSON"),
    "a key twice": ("sys.stdin.readline(); give(b'{\"a\": 1, \"a\": 2}\\n')", Broken, "given twice"),
    "a key twice inside": ("sys.stdin.readline(); give(b'[{\"a\": 1, \"a\": 1}]\\n')", Broken, "given twice"),
    "deep": ("sys.stdin.readline(); give(b'[' * 1000000 + b'\\n')", Broken, "nests too deeply"),
    "deep objects": ("sys.stdin.readline(); give(b'{\"a\":' * 150000 + b'\\n')", Broken, "nests too deeply"),
    "a little too deep": ("sys.stdin.readline(); give(b'[' * 66 + b']' * 66 + b'\\n')", Broken, "nests too deeply"),
    "two values": ("sys.stdin.readline(); give(b'1 2\\n')", Broken, "not JSON"),
    "two lines": ("sys.stdin.readline(); give(b'1\\n2\\n')", Foul, "more than it was asked"),
    "half of a second line": ("sys.stdin.readline(); give(b'1\\n2')", Foul, "more than it was asked"),
}


@pytest.mark.sandbox
@pytest.mark.parametrize(("source", "kind", "why"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_answer_has_a_name(source, kind, why):
    with Candidate(source), pytest.raises(kind, match=why):
        Oracle.given().ask({"question": 1}, within=0.5 if "longer than 0.5" in why else 10.0)


RAW = {
    "too short": ("next(questions()); give(b'123'); os._exit(0)", "ended before it answered"),
    "short and silent": ("next(questions()); give(b'123'); time.sleep(60)", "took longer than 0.5 s"),
    "drop by drop": ("next(questions())\nfor _ in range(1000): give(b'1'); time.sleep(0.05)", "took longer than 0.5 s"),
    "never reads": ("time.sleep(60)", "took longer than 0.5 s"),
    "dies": ("os._exit(0)", "ended before"),
}


@pytest.mark.sandbox
@pytest.mark.parametrize(("source", "why"), RAW.values(), ids=RAW)
def test_raw_bytes_that_are_too_few_or_too_late_have_a_name(source, why):
    with Candidate(source), pytest.raises(Broken, match=why):
        Oracle.given().exchange({}, bytes(4 << 20), 4 << 20, within=0.5 if "longer" in why else 10.0)


@pytest.mark.sandbox
@pytest.mark.parametrize(("then", "said"), [
    ("give(b'2\\n')", {"foul": "the oracle said more than it was asked."}), ("os._exit(0)", {"invalid": "it is useless."}),
    ("os.close(1); time.sleep(60)", {"invalid": "it is useless."})])
def test_an_answer_that_is_useless_was_perhaps_no_answer(then, said, capsys):
    """A word that comes before its question is read as the answer to it, where the question was quicker."""
    def score():
        Oracle.given().ask({})
        raise Broken("it is useless.")

    with Candidate(f"sys.stdin.readline(); give(b'1\\n'); sys.stdin.read(); {then}"):
        assert printed(score, capsys) == said


def waited(oracle):
    """Until something lies there to be read, and not asked for."""
    oracle._readable.poll(10_000)
    return oracle


@pytest.mark.sandbox
def test_what_comes_before_the_question_is_a_foul():
    with Candidate("give(b'1\\n'); time.sleep(60)"), pytest.raises(Foul, match="answered before it was asked"):
        waited(Oracle.given()).ask({})


@pytest.mark.sandbox
def test_raw_bytes_beyond_the_answer_are_a_foul_at_the_next_question():
    with Candidate("sys.stdin.readline(); give(bytes(9)); time.sleep(60)"):
        oracle = Oracle.given()
        oracle.exchange({}, b"", 8)
        with pytest.raises(Foul, match="answered before it was asked"):
            waited(oracle).exchange({}, b"", 8)


@pytest.mark.sandbox
def test_raw_bytes_beyond_the_last_answer_are_a_foul_when_it_is_closed():
    with Candidate("sys.stdin.readline(); give(bytes(9)); time.sleep(60)"):
        oracle = Oracle.given()
        oracle.exchange({}, b"", 8)
        with pytest.raises(Foul, match="without being asked"):
            waited(oracle).close()


@pytest.mark.sandbox
def test_a_candidate_that_is_gone_cannot_be_asked():
    with Candidate("sys.exit()") as candidate:
        candidate.process.wait()
        with pytest.raises(Broken, match="ended before it was asked everything"):
            Oracle.given().ask({})


@pytest.mark.sandbox
def test_the_given_oracle_is_one_object():
    with Candidate(ECHO):
        assert Oracle.given() is Oracle.given()


def test_without_an_oracle_the_contract_is_named():
    with pytest.raises(RuntimeError, match=r"\[oracle\] is missing in track.toml"):
        Oracle.given()


# ---- fresh ones ----------------------------------------------------------------------------------------------------

COUNTS = "for n, _ in enumerate(questions()): say(n)"


@pytest.mark.sandbox
def test_a_fresh_oracle_remembers_nothing():
    with Candidate(COUNTS):
        assert [Oracle.given().ask({}) for _ in range(3)] == [0, 1, 2]
        assert fresh().ask({}) == 0


@pytest.mark.sandbox
def test_the_oracle_before_a_fresh_one_is_ended():
    with Candidate(COUNTS):
        before = Oracle.given()
        assert fresh() is Oracle.given()
        with pytest.raises(RuntimeError, match="a fresh one took its place"):
            before.ask({})


def descriptors(candidate):
    """How many are open, when the harness has nothing more to close: it refuses one more."""
    most, candidate.most = candidate.most, 0
    with pytest.raises(RuntimeError):
        fresh()
    candidate.most = most
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.sandbox
def test_fresh_ones_leave_no_descriptor_open():
    with Candidate(ECHO) as candidate:
        Oracle.given()
        before = descriptors(candidate)
        for _ in range(5):
            fresh()
        assert descriptors(candidate) == before


@pytest.mark.sandbox
def test_the_descriptors_of_a_fresh_one_are_not_inherited():
    with Candidate(ECHO):
        oracle = fresh()
        assert not os.get_inheritable(oracle._ask)
        assert not os.get_inheritable(oracle._answer)


@pytest.mark.sandbox
def test_what_the_last_one_said_unasked_is_a_foul():
    with Candidate("give(b'1'); time.sleep(60)"):
        waited(Oracle.given())
        with pytest.raises(Foul, match="without being asked"):
            fresh()


@pytest.mark.sandbox
def test_the_harness_says_why_there_is_none():
    with Candidate(ECHO, most=1):
        fresh()
        with pytest.raises(RuntimeError, match="it was asked for too often"):
            fresh()


def test_a_harness_that_is_gone_is_no_fault_of_the_candidate(monkeypatch):
    ours, theirs = socket.socketpair()
    with theirs:
        monkeypatch.setenv("OVERNIGHT_FRESH", str(theirs.fileno()))
        ours.close()
        with pytest.raises((RuntimeError, BrokenPipeError)):
            fresh()


def test_without_the_harness_the_contract_is_named():
    with pytest.raises(RuntimeError, match=r"\[oracle\] is missing in track.toml"):
        fresh()


# ---- artefacts -----------------------------------------------------------------------------------------------------


@pytest.fixture
def left(tmp_path, monkeypatch):
    """The folder of artefacts, and a secret beside it."""
    (tmp_path / "secret").write_text("1")
    folder = tmp_path / "artifacts"
    (folder / "deep").mkdir(parents=True)
    monkeypatch.setenv("OVERNIGHT_ARTIFACTS", str(folder))
    return folder


def test_an_artefact_is_its_bytes(left):
    (left / "deep" / "x").write_bytes(b"123")
    assert scoring.artifact("deep/x", 3) == b"123"


@pytest.mark.parametrize("name", ["../secret", "deep/../../secret", "/etc/hostname", "", ".", "deep//x", "deep/", "x\0", "x\n",
                                  "\udcff", "y" * 300])
def test_a_name_that_leads_elsewhere_is_refused(name, left):
    (left / "deep" / "x").write_bytes(b"123")
    with pytest.raises(Broken):
        scoring.artifact(name)


def test_links_are_not_followed(left):
    (left / "link").symlink_to(left.parent / "secret")
    (left / "folder").symlink_to(left.parent)
    for name in ("link", "folder/secret"):
        with pytest.raises(Broken, match="cannot be read"):
            scoring.artifact(name)


@pytest.mark.sandbox
def test_what_is_no_regular_file_is_refused(left):
    os.mkfifo(left / "pipe")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(left / "socket"))
    for name in ("pipe", "socket", "deep", "absent"):
        with pytest.raises(Broken):
            scoring.artifact(name)
    listening.close()


def test_an_artefact_is_bounded_before_it_is_read(left):
    with open(left / "sparse", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(Broken, match="larger than 100 bytes"):
        scoring.artifact("sparse", 100)


@pytest.mark.parametrize("text", ["[NaN]", "{\"a\": 1, \"a\": 2}", "1e999", "[" * 100000, "", "\xff"])
def test_numbers_are_strict_json(text, left):
    (left / "x.json").write_text(text, "latin-1")
    with pytest.raises(Broken, match="is not JSON"):
        scoring.numbers("x.json")


def test_numbers_are_read(left):
    (left / "x.json").write_text("[1, 2.5]")
    assert scoring.numbers("x.json") == [1, 2.5]


@pytest.mark.parametrize("array", [numpy.arange(6, dtype="f4").reshape(2, 3), numpy.asfortranarray(numpy.ones((3, 2), "f8")),
                                   numpy.array(5, "i4"), numpy.zeros((0, 4), "i8"), numpy.array([True]), numpy.arange(3, dtype="u1"),
                                   numpy.ones((2, 3, 4), "f2")], ids=lambda a: f"{a.dtype} {a.shape}")
def test_arrays_are_read_as_numpy_saves_them(array, left):
    numpy.save(left / "x.npy", array)
    found = scoring.array("x.npy", array.shape, array.dtype.name)
    assert found.dtype == array.dtype
    assert numpy.array_equal(found, array)


def test_any_length_of_one_side_may_be_allowed(left):
    numpy.save(left / "x.npy", numpy.zeros((7, 2), "f4"))
    assert scoring.array("x.npy", (None, 2)).shape == (7, 2)
    with pytest.raises(Broken, match=r"has the shape \(7, 2\), not \(None, 3\)"):
        scoring.array("x.npy", (None, 3))


def npy(header, body=b"", version=b"\x01\x00"):
    """A .npy file with any header."""
    return b"\x93NUMPY" + version + len(header).to_bytes(2 if version[0] == 1 else 4, "little") + header + body


GOOD = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"
BAD_ARRAYS = {
    "empty": b"",
    "no magic": b"NUMPY" + npy(GOOD, bytes(8)),
    "a version to come": npy(GOOD, bytes(8), b"\x09\x00"),
    "objects": npy(GOOD.replace(b"<f4", b"|O"), bytes(16)),
    "a record": npy(GOOD.replace(b"'<f4'", b"[('a', '<f4')]"), bytes(8)),
    "big-endian": npy(GOOD.replace(b"<", b">"), bytes(8)),
    "another type": npy(GOOD.replace(b"f4", b"i4"), bytes(8)),
    "code": npy(b"{'descr': __import__('os').system('x'), 'fortran_order': False, 'shape': (2,), }", bytes(8)),
    "a header that is longer than the file": b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + GOOD,
    "too few bytes": npy(GOOD, bytes(7)),
    "too many bytes": npy(GOOD, bytes(9)),
    "a shape beyond the file": npy(GOOD.replace(b"(2,)", b"(999999999999,)"), bytes(8)),
    "a shape beyond numbers": npy(GOOD.replace(b"(2,)", b"(" + b"9" * 400 + b",)"), bytes(8)),
    "sides that overflow to nothing": npy(GOOD.replace(b"(2,)", b"(4294967296, 4294967296)"), b""),
    "a negative side": npy(GOOD.replace(b"(2,)", b"(-2,)"), bytes(8)),
    "no sides": npy(GOOD.replace(b"(2,)", b"(,)"), bytes(8)),
    "many sides": npy(GOOD.replace(b"(2,)", b"(" + b"1, " * 500 + b"2)"), bytes(8)),
    "not finite": npy(GOOD, numpy.array([1, math.inf], "f4").tobytes()),
}


@pytest.mark.parametrize("data", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_an_array_that_lies_is_refused(data, left):
    (left / "x.npy").write_bytes(data)
    with pytest.raises(Broken):
        scoring.array("x.npy")


def test_an_array_of_truth_values_holds_nothing_else(left):
    (left / "x.npy").write_bytes(npy(GOOD.replace(b"<f4", b"|b1"), b"\x01\x02"))
    with pytest.raises(Broken, match="neither true nor false"):
        scoring.array("x.npy", None, "bool")


def safetensors(header, body=b""):
    """A .safetensors file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(begin, end, shape, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_tensors_are_read_by_name(left):
    a, b = numpy.arange(6, dtype="f4").reshape(2, 3), numpy.array([1, 2], "i8")
    body = b.tobytes() + a.tobytes()
    header = {"__metadata__": {"format": "pt"}, "a": entry(16, 40, [2, 3]), "b": entry(0, 16, [2], "I64")}
    (left / "x").write_bytes(safetensors(header, body))
    found = scoring.tensors("x")
    assert list(found) == ["b", "a"]
    assert numpy.array_equal(found["a"], a)
    assert numpy.array_equal(found["b"], b)


def test_bfloat16_becomes_float32(left):
    body = numpy.array([1.5, -2.0], "f4").view("u4") >> 16
    (left / "x").write_bytes(safetensors({"a": entry(0, 4, [2], "BF16")}, body.astype("u2").tobytes()))
    assert scoring.tensors("x")["a"].tolist() == [1.5, -2.0]


def test_a_file_without_tensors_has_none(left):
    (left / "x").write_bytes(safetensors({}))
    assert scoring.tensors("x") == {}


BAD_TENSORS = {
    "empty": b"",
    "a header beyond the file": (1 << 62).to_bytes(8, "little") + b"{}",
    "no object": safetensors([1]),
    "no JSON": safetensors(b"{'a': 1}"),
    "a tensor twice": safetensors(b'{"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}, '
                                  b'"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}', b"1"),
    "an unknown type": safetensors({"a": entry(0, 8, [2], "F31")}, bytes(8)),
    "no type": safetensors({"a": {"shape": [2], "data_offsets": [0, 8]}}, bytes(8)),
    "a type that is a list": safetensors({"a": entry(0, 8, [2], ["F32"])}, bytes(8)),
    "something more": safetensors({"a": entry(0, 8, [2]) | {"strides": [0]}}, bytes(8)),
    "a place beyond the file": safetensors({"a": entry(0, 4000, [1000])}, bytes(8)),
    "a place before the file": safetensors({"a": entry(-8, 0, [2])}, bytes(8)),
    "backwards": safetensors({"a": entry(8, 0, [0])}, bytes(8)),
    "an overlap": safetensors({"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, bytes(12)),
    "a gap": safetensors({"a": entry(0, 4, [1]), "b": entry(8, 12, [1])}, bytes(12)),
    "something behind": safetensors({"a": entry(0, 4, [1])}, bytes(8)),
    "a shape that is not its place": safetensors({"a": entry(0, 8, [3])}, bytes(8)),
    "a negative side": safetensors({"a": entry(0, 8, [-1, -2])}, bytes(8)),
    "a side that is a fraction": safetensors({"a": entry(0, 8, [2.0])}, bytes(8)),
    "a side that is true": safetensors({"a": entry(0, 4, [True])}, bytes(4)),
    "sides without end": safetensors({"a": entry(0, 4, [1] * 99)}, bytes(4)),
    "not finite": safetensors({"a": entry(0, 4, [1])}, numpy.array([math.nan], "f4").tobytes()),
    "a bfloat that is not finite": safetensors({"a": entry(0, 2, [1], "BF16")}, b"\x80\x7f"),
}


@pytest.mark.parametrize("data", BAD_TENSORS.values(), ids=BAD_TENSORS)
def test_tensors_that_lie_are_refused(data, left):
    (left / "x").write_bytes(data)
    with pytest.raises(Broken):
        scoring.tensors("x")


def spoilt(data, changes, end):
    """Bytes with some of them changed, and cut."""
    data = bytearray(data)
    for place, value in changes:
        data[place % len(data)] = value
    return bytes(data[:end])


SPOILS = {"changes": st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
          "end": st.integers(0, 200)}
UNHURRIED = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@UNHURRIED
@given(**SPOILS)
def test_no_spoilt_array_does_more_than_be_refused(changes, end, left):
    buffer = io.BytesIO()
    numpy.save(buffer, numpy.arange(6, dtype="f4").reshape(2, 3))
    (left / "x.npy").write_bytes(spoilt(buffer.getvalue(), changes, end))
    try:
        assert scoring.array("x.npy").size == 6 or changes
    except Broken:
        return


@UNHURRIED
@given(**SPOILS)
def test_no_spoilt_tensors_do_more_than_be_refused(changes, end, left):
    good = safetensors({"a": entry(0, 8, [2]), "b": entry(8, 12, [4], "U8")}, bytes(12))
    (left / "x").write_bytes(spoilt(good, changes, end))
    try:
        assert len(scoring.tensors("x")) == 2 or changes
    except Broken:
        return


@UNHURRIED
@given(line=st.binary(max_size=60))
def test_no_answer_does_more_than_be_refused(line):
    try:
        scoring.answer.parse(line, "an answer")
    except Broken:
        return


# ---- what the harness tells ----------------------------------------------------------------------------------------


def test_the_seed_and_the_holdout_come_from_the_harness(monkeypatch, tmp_path):
    monkeypatch.delenv("OVERNIGHT_HOLDOUT", raising=False)
    monkeypatch.setenv("OVERNIGHT_SEED", "17")
    assert (scoring.seed(), scoring.holdout()) == (17, None)
    monkeypatch.setenv("OVERNIGHT_HOLDOUT", str(tmp_path))
    assert scoring.holdout() == tmp_path


@pytest.mark.sandbox
def test_it_needs_nothing_but_the_standard_library():
    code = f"import sys; sys.path.insert(0, {str(Path(overnight.__file__).parent.parent)!r}); import overnight.scoring.language"
    done = subprocess.run([sys.executable, "-ISc", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_it_imports_nothing_of_ours_but_itself():
    for path in Path(overnight.scoring.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("overnight"):
                assert node.module.startswith("overnight.scoring"), path


@pytest.mark.sandbox
def test_the_example_of_the_page_works(tmp_path):
    page = (Path(__file__).parent.parent / "docs" / "scoring.md").read_text()
    score, serve = (part.partition("```")[0] for part in page.split("```python\n")[1:3])
    (tmp_path / "unseen.txt").write_bytes(os.urandom(65 * 256))
    with Candidate(serve):
        env = os.environ | {"OVERNIGHT_SEED": "3"}
        fds = [int(env[name]) for name in ("OVERNIGHT_ASK", "OVERNIGHT_ANSWER", "OVERNIGHT_FRESH")]
        done = subprocess.run([sys.executable, "-c", score], cwd=tmp_path, env=env, pass_fds=fds, capture_output=True, text=True)
    assert json.loads(done.stdout) == {"bits_per_byte": pytest.approx(8)}, done.stderr
