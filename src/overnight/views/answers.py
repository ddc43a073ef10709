"""What commands print with `--json` that is neither a track nor an experiment, typed."""

from __future__ import annotations

from msgspec import Struct


class Done(Struct, frozen=True):
    """What a command that acts has to say; its exit status says whether all is well.

    said  the sentences that it prints without `--json`, in their order; paths of files where it writes some
    """

    said: tuple[str, ...]


class Finding(Struct, frozen=True):
    """One thing that was looked at on this machine.

    name  of the thing
    fit   whether it is as a night needs it; None where it is no matter of right or wrong
    said  what was found, and what to do where it is wrong
    """

    name: str
    fit: bool | None
    said: str


class Queued(Struct, frozen=True):
    """An idea that was to be put into the queue.

    idea      its number there; None where it was left out
    title     the title, and `source` where it comes from
    left_out  why it was left out; "": it was not
    """

    idea: int | None
    title: str
    source: str
    left_out: str = ""


class Wants(Struct, frozen=True):
    """What a track wants of this machine.

    wants    everything that it wants, in words
    missing  those of them that are not granted yet
    """

    wants: tuple[str, ...]
    missing: tuple[str, ...]


class Whereabouts(Struct, frozen=True):
    """Where the state of a track lies.

    state    the folder of its journal, logs and reports
    begun    whether there is a journal in it
    earlier  where a state of an earlier place lies that could be taken over, in a sentence; "": nowhere
    """

    state: str
    begun: bool
    earlier: str
