"""`make attacks`: run the suite and print what stopped each attack. Exit status 1 unless all were stopped."""

import sys
from pathlib import Path

import pytest

COLUMNS = ("class", "attack", "backend", "stopped by", "seconds")
FOLDER = Path(__file__).parent


class Table:
    """Gathers the rows while pytest runs: an attack's, and what else failed."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []
        self.attacks, self.stopped = set(), set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Which attacks there are."""
        self.attacks = {item.nodeid for item in items if item.originalname == "test_stopped"}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One test's end."""
        if report.when == "call" and report.nodeid in self.attacks:
            self.rows.append(dict(report.user_properties))
            if report.passed:
                self.stopped.add(report.nodeid)

    def print(self) -> None:
        """The table and the count."""
        shown = [{**row, "seconds": f"{row['seconds']:.2f}"} for row in self.rows]
        widths = [max(len(str(row[c])) for row in [*shown, dict(zip(COLUMNS, COLUMNS, strict=True))]) for c in COLUMNS]
        for row in [dict(zip(COLUMNS, COLUMNS, strict=True)), *shown]:
            print("  ".join(str(row[c]).ljust(w) for c, w in zip(COLUMNS, widths, strict=True)).rstrip())
        print(f"\n{len(self.stopped)} of {len(self.attacks)} stopped")


def main() -> int:
    """Run every night, print the table."""
    table = Table()
    status = pytest.main([str(FOLDER), "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[table])
    table.print()
    return 1 if status or not table.attacks or table.stopped != table.attacks else 0


if __name__ == "__main__":
    sys.exit(main())
