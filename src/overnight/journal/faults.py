"""What PostgreSQL says when something goes wrong, as one sentence that says what to do; and what may heal by itself."""

from __future__ import annotations

import psycopg

from overnight.errors import JournalError
from overnight.journal.urls import masked, scrubbed

# The connection ended, the server restarts, two transactions were in each other's way, or a lock is about to be free.
PASSING = ("08", "57P01", "57P02", "57P03", "57P05", "40001", "40P01", "53300", "55P03")
ADVICE = {  # the code of what went wrong, or its first digits -> what is wrong, and what to do
    "53100": "the disk of its PostgreSQL server is full: nothing is lost, make room and run again",
    "53": "its PostgreSQL server has no memory or connections left: nothing is lost, run again when it has",
    "25006": "its PostgreSQL server is read-only, as a standby is: nothing is lost, name one that may be written",
    "42501": "its user may not do that: let it own the schema 'overnight', or name another user",
    "28": "PostgreSQL refuses the user or the password: put them right in the address, or in ~/.pgpass",
    "3D000": "there is no database of that name: make it with `createdb`, or put the name right in the address",
    "57P": "PostgreSQL was stopped or restarted: nothing that was recorded is lost, run again when it is up",
    "08": "the connection to PostgreSQL was lost: nothing that was recorded is lost, run again when it is up",
}
REFUSED = {  # what stands in the words of a connection that was refused, which have no code -> a code
    "password": "28", "no pg_hba.conf entry": "28", "authentication": "28", "role": "28",
    "the database system is": "57P03", "connection slots": "53300", "too many clients": "53300",
}
NO_ADDRESS = "no URL of PostgreSQL's: write postgresql://USER@HOST/DATABASE, and a slash in a password as %2F"


def passing(error: psycopg.Error) -> bool:
    """Whether the same may succeed on another connection, in a while."""
    code = error.sqlstate or ""
    if code:
        return code.startswith(PASSING)
    return isinstance(error, psycopg.OperationalError) and _unconnected(str(error)) in ("", "57P03", "53300")


def sentence(error: psycopg.Error, url: str, done: str) -> JournalError:
    """The JournalError of a journal that could not be `done`; it shows no password."""
    where = masked(url)
    if isinstance(error, psycopg.ProgrammingError) and not error.sqlstate:
        return JournalError(f"the journal's address {where} is {NO_ADDRESS}.")
    code, said = error.sqlstate or "", _words(error, url)
    if not code and (code := _unconnected(said)) == "":
        lost = "PostgreSQL does not answer" if "connection" in said or "resolve" in said else "the connection was lost"
        return JournalError(f"the journal {where} cannot be {done}: {lost} ({said}): nothing that was recorded is lost, "
                            "run again when it is up.")
    advice = next((text for start, text in ADVICE.items() if code.startswith(start)), said)
    return JournalError(f"the journal {where} cannot be {done}: {advice}.")


def _unconnected(said: str) -> str:
    """The code of the reason for which a connection was refused, by its words: libpq tells none. "" for another reason."""
    if "FATAL" not in said:
        return ""
    if "database" in said and "does not exist" in said and "role" not in said:
        return "3D000"
    return next((code for words, code in REFUSED.items() if words in said), "")


def _words(error: psycopg.Error, url: str) -> str:
    """The first line of what PostgreSQL or its library said."""
    lines = scrubbed(str(error), url).strip().splitlines()
    return lines[0].rstrip(".: ")[:300] if lines else type(error).__name__
