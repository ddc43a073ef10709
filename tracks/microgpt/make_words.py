"""Make the word lists of this track: how words/*.txt came about. They are frozen; nobody has to run this.

    python make_words.py            prints the sha256 of each list that this Python would give
    python make_words.py --write    writes the lists (then the digests in wordlist.py have to be changed too)

The text is the language reference that every CPython carries for its interactive help. It differs a little
from version to version, which is why the lists are kept as files: these are CPython 3.11.7's.
"""

import hashlib
import re
import sys
from pathlib import Path
from pydoc_data.topics import topics

PRIVATE_PERCENT = 8  # of all words go to validation, and as many to holdout

FOLDER = Path(__file__).parent / "words"
# Three to twelve lower-case letters, no part of a longer identifier: `import_from` and `Py3` give no word.
WORD = re.compile(r"(?<![A-Za-z0-9_])[a-z]{3,12}(?![A-Za-z0-9_])")


def split_of(word: str) -> str:
    """The list a word belongs to. Its hash decides, so a word never moves when others come or go."""
    percent = int(hashlib.sha256(word.encode()).hexdigest(), 16) % 100
    if percent < PRIVATE_PERCENT:
        return "validation"
    return "holdout" if percent < 2 * PRIVATE_PERCENT else "train"


def make_lists() -> dict[str, str]:
    """The text of each list: one word a line, sorted, no word twice."""
    lists: dict[str, list[str]] = {"train": [], "validation": [], "holdout": []}
    for word in sorted(set(WORD.findall("\n".join(topics.values())))):
        lists[split_of(word)].append(word)
    return {name: "\n".join(words) + "\n" for name, words in lists.items()}


if __name__ == "__main__":
    for name, text in make_lists().items():
        if "--write" in sys.argv:
            (FOLDER / f"{name}.txt").write_text(text)
        print(f"{name:10} {text.count(chr(10)):5} words  sha256 {hashlib.sha256(text.encode()).hexdigest()}")
