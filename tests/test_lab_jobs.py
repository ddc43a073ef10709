"""Jobs, results and orders are wire types: plain JSON, whole, and nothing of the machine that they were made on."""

import functools
import inspect
import types
import typing
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import FakeWorld, Idea, Night
from overnight.contracts import Call
from overnight.lab import jobs
from overnight.lab.jobs import MOST_LOG_BYTES, Job, Letter, Measure, Measurement, Order, Result

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
PLAIN = {str: st.text(), int: st.integers(-2**63, 2**63 - 1), float: NUMBERS, bool: st.booleans(), bytes: st.binary(),
         type(None): st.none(), msgspec.UnsetType: st.just(msgspec.UNSET)}
JSON = st.recursive(st.one_of(*(PLAIN[kind] for kind in (str, int, float, bool, type(None)))),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=5)
UNIONS = {"job": Job, "result": Result, "order": Order}
MEMBERS = [(name, kind) for name, union in UNIONS.items() for kind in typing.get_args(union)]


@functools.cache
def of(kind):
    """Every value of a type, as far as JSON can hold it. Raises TypeError for a type that is not plain."""
    if kind in PLAIN:
        return PLAIN[kind]
    if kind is typing.Any:
        return JSON
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return st.builds(kind, **{field.name: of(field.type) for field in msgspec.structs.fields(kind)})
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return of(inner[0])
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*map(of, inner))
    if origin is typing.Literal:
        return st.sampled_from(inner)
    if origin is dict:
        return st.dictionaries(of(inner[0]), of(inner[1]), max_size=2)
    if origin is tuple and inner[-1] is not Ellipsis:
        return st.tuples(*map(of, inner))
    if origin in (tuple, list, Sequence):
        found = st.lists(of(inner[0]), max_size=2)
        return found.map(tuple) if origin is tuple else found
    raise TypeError(f"{kind} is no plain type")


def there_and_back(message, kind):
    return msgspec.json.decode(msgspec.json.encode(message), type=kind)


@pytest.mark.parametrize(("union", "kind"), MEMBERS, ids=lambda each: getattr(each, "__name__", each))
@given(data=st.data())
def test_every_message_is_the_same_after_a_journey(union, kind, data):
    message = data.draw(of(kind))
    assert there_and_back(message, UNIONS[union]) == message


def test_every_type_of_the_module_is_a_message():
    found = {kind for _, kind in inspect.getmembers(jobs, inspect.isclass)
             if issubclass(kind, msgspec.Struct) and kind.__module__ == jobs.__name__ and kind.__struct_config__.tag}
    assert found == {kind for _, kind in MEMBERS} and set(typing.get_args(Letter)) == {*typing.get_args(Order), Call}


@pytest.mark.parametrize("kind", [object, st.SearchStrategy, typing.Callable, type(inspect)])
def test_a_type_that_lives_in_one_process_is_found_out(kind):
    with pytest.raises(TypeError):
        of(kind)


def texts(value):
    """Every text in a piece of JSON, names included."""
    if isinstance(value, dict):
        return {*value, *(text for each in value.values() for text in texts(each))}
    if isinstance(value, list):
        return {text for each in value for text in texts(each)}
    return {value} if isinstance(value, str) else set()


def test_no_message_of_a_night_names_a_place_on_a_disk():
    night = Night(FakeWorld(2, lambda lots: Idea(gain=lots.choice((3.0, 0.0, -1.0)))), measure_slots=2).go(experiments=12)
    messages = [*night.jobs, *map(night.world.answer, night.jobs)]
    assert len({type(message) for message in messages}) >= 4
    assert not [text for message in messages for text in texts(msgspec.to_builtins(message)) if text.startswith(("/", "~", "file:"))]


# ---- logs ------------------------------------------------------------------------------------------------------


def test_the_files_of_logs_are_named_by_the_run():
    logs = {told: told.encode() for told in ("run", "score", "paired", "paired-score")}
    found = Measurement(Measure(7, 1, "c", 3, "race"), logs, outcome="ok")
    assert dict(found.files()) == {"7.log": b"run", "7-score.log": b"score", "7-paired.log": b"paired",
                                   "7-paired-score.log": b"paired-score"}
    assert found.log == "7.log" and Measurement(found.job, outcome="ok").log == ""


@pytest.mark.parametrize(("name", "length"), [("../../notes", 1), ("run", MOST_LOG_BYTES + 1)])
def test_a_log_that_is_too_long_or_names_its_file_is_refused(name, length):
    body = msgspec.json.encode(Measurement(Measure(7, 1, "c", 3, "race"), {name: b"x" * length}, outcome="ok"))
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=Result)


def test_the_record_of_a_run_has_the_name_of_its_log_and_not_its_words():
    class Talks(FakeWorld):
        def _measure(self, job):
            return msgspec.structs.replace(super()._measure(job), logs={"run": b"the candidate's own words"})

    night = Night(Talks(1)).go(experiments=2)
    assert {run.log for run in night.runs} == {f"{run.run}.log" for run in night.runs}
    assert b"own words" not in msgspec.json.encode(night.events)
