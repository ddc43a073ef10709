"""Prints llms-full.txt, all that llms.txt links to in one text: `python scripts/llms.py > llms-full.txt`.

`make docs` puts it on the site. It is not kept in the repository, so that it cannot be older than the pages."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def linked(text: str) -> list[str]:
    """The pages of llms.txt, in its order."""
    return re.findall(r"^- \[[^\]]*\]\(([^)]+)\)", text, re.MULTILINE)


def whole(root: Path = ROOT) -> str:
    """The page itself, then each page that it links to, under a line with its path."""
    head = (root / "llms.txt").read_text(encoding="utf-8")
    pages = (f"<!-- {name} -->\n\n{(root / name).read_text(encoding='utf-8').strip()}\n" for name in linked(head))
    return "\n".join([head, *pages])


if __name__ == "__main__":
    print(whole(), end="")
