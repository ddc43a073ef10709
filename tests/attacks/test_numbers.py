"""Numbers: a careless scorer passes on what a candidate left, as it stands. Only one finite number in its declared range
is a result; everything else has a name and is never a zero."""

from attacks.suite import Attack, Stopped

CARELESS = """\
import os, sys
text = open(os.environ["OVERNIGHT_ARTIFACTS"] + "/answer", "rb").read()
sys.stdout.buffer.write(b'{"loss": ' + text + b"}")
"""
RUN = 'import os\nwith open(os.environ["OVERNIGHT_OUT"] + "/answer", "wb") as out:\n    out.write(b"%s")\n'
GROUND = {"score.py": CARELESS, "run.py": RUN % "2.25"}
BETTER = {"run.py": RUN % "1.25" + "# nearer\n"}


def claims(name, text, reason, verdict="crash", stopped_by="one finite number in its range, or no result"):
    """A candidate that leaves some bytes where a number should be."""
    plain = text if isinstance(text, bytes) else text.encode()
    code = RUN.replace('b"%s"', ascii(plain)) if len(plain) < 200 else RUN.replace(
        'b"%s"', f"{plain[:1]!r} * {len(plain)}")
    return Attack(name, "numbers", {"run.py": code + "A = 1\n"}, stopped_by, verdict=verdict, reason=reason)


ATTACKS = [
    claims("NaN", "NaN", "'loss' is nan"),
    claims("minus infinity", "-Infinity", "'loss' is -inf"),
    claims("a number that overflows to infinity", "-1e999", "'loss' is -inf"),
    claims("a negative number of 150 digits", "-" + "9" * 150, "can only be from 0 to 1000"),
    claims("a whole number of 400 digits", b"9" * 400, "whole number that no float can hold"),
    claims("a whole number of 5,000 digits", b"9" * 5000, "one JSON object"),
    claims("lists in lists in lists", b"[" * 100_000, "one JSON object"),
    claims("true", "true", "'loss' is bool"),
    claims("false", "false", "'loss' is bool"),
    claims("nothing", "null", "'loss' is NoneType"),
    claims("a number as text", '"0.0"', "'loss' is str"),
    claims("a list", "[0.0]", "'loss' is list"),
    claims("an object", '{"loss": 0.0}', "'loss' is dict"),
    claims("the metric twice", '2.25, "loss": 0.0', "'loss' is given twice"),
    claims("the metric twice, once in escapes", '2.25, "l\\u006fss": 0.0', "'loss' is given twice"),
    claims("two objects", '2.25} {"loss": 0.0', "one JSON object"),
    claims("two lines", '2.25}\n{"loss": 0.0', "one JSON object"),
    claims("no number at all", "", "one JSON object"),
    claims("bytes that are no text", b"\xff\xfe\x00", "one JSON object"),
    claims("a number below what can be true", "-0.001", "can only be from 0 to 1000"),
    claims("a number above what can be true", "1000.5", "can only be from 0 to 1000"),
    claims("a huge number below what can be true", "-1e308", "can only be from 0 to 1000"),
    claims("twenty more metrics", "2.25" + "".join(f', "m{n}": 0' for n in range(20)), "no better", "discard",
           "the declared metric alone decides"),
    claims("a metric whose name steers a terminal", '2.25, "\\u001b[2J": true', r"^'\[2J' is no name of a metric"),
    claims("twice a metric whose name steers a terminal", '2.25, "\\u001b[2J": 1, "\\u001b[2J": 1', r"'\[2J' is given twice"),
    claims("a name that is no text", '2.25, "\\ud800": 1', "^'' is no name of a metric"),
    claims("an excuse that steers a terminal", '2.25, "invalid": "\\u001b]8;;http://evil\\u0007 all \\u202eis well"',
           r"^\]8;;http://evil all is well$"),
]


class TestNumbers(Stopped):
    """A night of things that are no numbers."""
