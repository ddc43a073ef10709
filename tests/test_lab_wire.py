"""What places on other machines send and are sent: what cannot be understood is declined in a sentence, and nothing is lost."""

import json
import zlib

import msgspec
import pytest

from fakes import FakeWorld, Night
from overnight.errors import Declined
from overnight.lab import wire
from overnight.lab.jobs import Measure, Measurement

JOB = Measure(7, 1, "c1", 3, "race")


def altered(message, **fields):
    """A message as JSON with other fields; None takes one out."""
    found = json.loads(wire.encode(message)) | fields
    return json.dumps({name: value for name, value in found.items() if value is not None}).encode()


NONSENSE = [b"", b"\xff\xfe", b"null", b"[]", b"{}", b'"done"', b"[" * 100_000, b"\x80" * 40, b'{"kind": "measurement"}',
            altered(Measurement(JOB, outcome="ok"), kind="number"), altered(Measurement(JOB, outcome="ok"), outcome="won"),
            altered(Measurement(JOB, outcome="ok"), metrics={"loss": "small"}), altered(Measurement(JOB, outcome="ok"), job=None),
            wire.encode(Measurement(JOB, outcome="ok")).replace(b'"metrics":{}', b'"metrics":{"loss":NaN}'),
            zlib.compress(b"no JSON"), zlib.compress(wire.encode(Measurement(JOB, outcome="ok")))[:-20], b"x" * 40]


@pytest.mark.parametrize("body", [altered(JOB, kind="weigh"), altered(JOB, commit=None), altered(JOB, stage="warm-up")])
def test_a_job_of_another_version_is_declined_in_a_sentence(body):
    with pytest.raises(Declined, match=r"^this job cannot be done here \(.+\): .*install the same one on both sides\.$"):
        wire.job(body)


def test_what_a_later_version_adds_to_a_job_is_passed_over():
    assert wire.job(altered(JOB, shade="blue")) == JOB


@pytest.mark.parametrize("body", NONSENSE, ids=range(len(NONSENSE)))
def test_a_place_that_answers_nonsense_loses_nothing(body):
    lab = Night(FakeWorld(1)).lab
    job = lab.ask(0.0, ["measure"])
    with pytest.raises(Declined, match="this result cannot be read.*Its job stays in flight"):
        lab.tell(wire.result(body), 1.0)
    assert job in lab.flight
    right = wire.result(wire.encode(Measurement(wire.job(wire.encode(job)), outcome="ok", metrics={"y": 1.0})))
    assert lab.tell(right, 2.0)[0].seed == job.seed and job not in lab.flight


def test_the_job_of_a_result_is_the_one_that_was_given_out_whatever_the_place_says():
    lab = Night(FakeWorld(1)).lab
    job = lab.ask(0.0, ["measure"])
    lying = msgspec.structs.replace(job, stage="confirm", experiment=99, paired_with="c9")
    event, *_ = lab.tell(wire.result(wire.encode(Measurement(lying, outcome="ok", metrics={"y": 1.0}))), 1.0)
    assert (event.stage, event.experiment) == (job.stage, job.experiment) == ("calibrate", 0)


@pytest.mark.parametrize("pack", [bytes, zlib.compress])
def test_a_message_beyond_all_bounds_is_not_read(pack):
    with pytest.raises(Declined, match="because it is more than 64 MiB"):
        wire.result(pack(b" " * (wire.MOST_MESSAGE_BYTES + 1)))


def test_a_long_message_is_the_same_after_a_journey_and_shorter():
    long = Measurement(JOB, {"run": b"the same line\n" * 4000}, outcome="ok")
    body = wire.encode(long)
    assert wire.result(body) == long and len(body) < len(msgspec.json.encode(long)) / 20
