"""PostgreSQL for tests: a server of their own, started from the system's programs by an ordinary user.

A test that asks for the fixture `postgres` bears the mark `services`, and is skipped only where PostgreSQL is not installed.
"""

import pytest

from overnight.testing.postgres import PostgresServer, programs


@pytest.fixture(scope="module")
def postgres():
    """One server for the tests of a file. A test that stops it starts it again."""
    if programs() is None:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    with PostgresServer() as server:
        yield server


@pytest.fixture
def database(postgres, request):
    """The address of a new database on it."""
    postgres.sql("DROP DATABASE IF EXISTS fresh WITH (FORCE)", "postgres")
    postgres.sql("CREATE DATABASE fresh", "postgres")
    return postgres.url("fresh")
