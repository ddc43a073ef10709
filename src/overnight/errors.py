"""Everything that Overnight raises on purpose, in one tree.

    OvernightError            what a user meets: one clear sentence that says what to do
    ├── TrackError            the contract (track.toml) or the repository it stands in is wrong
    │   └── ExtraMissing      what was asked for needs packages that are not installed: which extra to install
    ├── JournalError          the record cannot be read, written or believed
    │   └── Conflict          another process wrote to it meanwhile
    ├── SandboxMissing        no sandbox works on this machine: what to install or choose
    ├── Busy                  another process holds this track
    ├── NotFound              what was asked for is not there: a number or a name that stands for nothing
    ├── Declined              a job or a result was not taken: not waited for, for another job, or of another version
    ├── EditError             a change could not be made: it does not apply, or leaves the boundary
    │   └── Foul              it leaves the boundary: what may not be edited was changed
    ├── Away                  a researcher cannot work now (an outage, a rate limit), or no more tonight (no key, no budget)
    └── Fault                 the machine failed (full disk, broken sandbox): retried, never a result
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class OvernightError(Exception):
    """A problem with a sentence for the user; the commands print it and exit with status 2."""


class TrackError(OvernightError):
    """The contract or its repository is wrong; nothing was run."""


class ExtraMissing(TrackError):
    """What was asked for needs packages that are not installed; the sentence names the extra that brings them."""


def how(extra: str) -> str:
    """How the packages of an extra are installed: with the package, or in a clone of the repository."""
    return f"pip install 'overnight[{extra}]', or in a clone of Overnight scripts/setup.sh {extra}"


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Put this around the import of packages that the extra `name` of pyproject.toml brings. Where they are missing it raises
    ExtraMissing with one sentence, which begins with `what` needs them. An import of Overnight's own that fails is a bug, and
    stays an ImportError."""
    try:
        yield
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "overnight":
            raise
        raise ExtraMissing(f"{what} needs the extra '{name}': {how(name)}.") from error


class JournalError(OvernightError):
    """The journal cannot be read, written or believed."""


class Conflict(JournalError):
    """Another process wrote to the journal meanwhile; nothing was written."""


class SandboxMissing(OvernightError):
    """No sandbox works here; the sentence says what to install or choose."""


class Busy(OvernightError):
    """Another process holds this track."""


def busy(holder: str) -> Busy:
    """The Busy of a track that the process `holder` works on."""
    return Busy(f"another `overnight` (process {holder}) is at work on this track: wait for it, or stop it with Ctrl-C.")


class NotFound(OvernightError):
    """What was asked for is not there: its number or name stands for nothing."""


class Declined(OvernightError):
    """A job or a result was not taken, for the reason that is given; nothing is changed by it."""


class EditError(OvernightError):
    """A change does not apply to the commit it was made for, or leaves the boundary."""


class Foul(EditError):
    """What may not be edited was changed; `overnight try` ends with status 12."""


class Fault(OvernightError):
    """The machine failed, not the idea: retried or raised, never counted against an experiment."""


class Away(OvernightError):
    """A researcher cannot work: the others go on. `wait` is the number of seconds after which it may be asked again; None:
    not in this session. `outcome` is the word for it in a Call."""

    def __init__(self, sentence: str, wait: float | None = None, outcome: str = "refused") -> None:
        super().__init__(sentence)
        self.wait, self.outcome = wait, outcome


def meant(word: str, known: Iterable[str]) -> str:
    """The known word that is nearest to an unknown one, as the end of a sentence."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean '{close[0]}'?)" if close else f"; known are {', '.join(known)}"
