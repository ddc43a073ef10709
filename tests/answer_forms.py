"""The forms in which models answer, as they really do: each with the files that it must leave, or None where it must be refused.

Written by hand, one for each habit that was seen; `python -m bench contact` counts them.
"""

import json
from typing import NamedTuple

CODE = """\
import math

RATE = 0.1
STEPS = 100


def warm(step):
    if step < 10:
        return step / 10
    return 1.0


def step(x):
    rate = RATE * math.cos(x)
    return x - rate


def back(x):
    rate = RATE * math.sin(x)
    return x - rate
"""
CONFIG = "# what is turned\nrate: 0.1\nlayers:\n  - 64\n  - 64\nseed: 1\n"
FILES = {"train.py": CODE, "src/config.yaml": CONFIG}
EDITABLE = ("*.py", "src/*.yaml")
RATE = {"train.py": CODE.replace("RATE = 0.1", "RATE = 0.05")}
WARM = {"train.py": CODE.replace("step < 10:\n        return step / 10", "step < 20:\n        return step / 20")}
YAML = {"src/config.yaml": CONFIG.replace("rate: 0.1", "rate: 0.05")}
BOTH = RATE | YAML
MADE = RATE | {"schedule.py": "HALF = 50\n"}

S, M, R = "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"
HEAD = "TITLE: a lower rate\nIt diverged.\n\n"
BLOCK = f"{S}\nRATE = 0.1\n{M}\nRATE = 0.05\n{R}\n"
WARMER = f"{S}\n    if step < 10:\n        return step / 10\n{M}\n    if step < 20:\n        return step / 20\n{R}\n"
GOOD = f"{HEAD}FILE: train.py\n{BLOCK}"
WHOLE = RATE["train.py"]
DIFF = "--- a/train.py\n+++ b/train.py\n@@ -1,6 +1,6 @@\n import math\n \n-RATE = 0.1\n+RATE = 0.05\n STEPS = 100\n \n \n"


class Form(NamedTuple):
    """One answer, and the files that it changes; None: it must be refused."""

    name: str
    answer: str
    after: dict | None
    files: dict = FILES


def listed(text, by="   "):
    """Indented as in a list."""
    return "".join(f"{by}{line}\n" if line else "\n" for line in text.splitlines())


def steps(*edits, **more):
    """An answer as JSON."""
    names = ("file", "search", "replace")
    return json.dumps({"title": "a lower rate", "why": "It diverged."} | more | {"edits": [dict(zip(names, e, strict=True)) for e in edits]})


BLOCKS = [
    Form("as it is asked for", GOOD, RATE),
    Form("an example in JSON before the change", f'''{HEAD}As data {{"file": "train.py", "search": ["STEPS = 100"], "replace": ["STEPS = 1"]}}
would be
{{"file": "train.py", "search": ["STEPS = 100"], "replace": ["STEPS = 1"]}}
but better:

FILE: train.py
{BLOCK}''', RATE),
    Form("spaces behind the search lines", GOOD.replace("RATE = 0.1\n", "RATE = 0.1   \n"), RATE),
    Form("spaces behind the file's lines", GOOD, {"train.py": WHOLE.replace("STEPS = 100", "STEPS = 100  ")},
         {"train.py": CODE.replace("RATE = 0.1", "RATE = 0.1  ").replace("STEPS = 100", "STEPS = 100  ")}),
    Form("spaces behind the marks", GOOD.replace("SEARCH\n", "SEARCH  \n").replace("=======\n", "======= \n").replace("REPLACE\n", "REPLACE \n"), RATE),
    Form("blank lines around both parts", GOOD.replace("RATE = 0.1\n", "\nRATE = 0.1\n\n\n").replace("RATE = 0.05\n", "\nRATE = 0.05\n\n\n"), RATE),
    Form("a blank line of the file left out", f"{HEAD}FILE: train.py\n{S}\nimport math\nRATE = 0.1\n{M}\nimport math\n\nRATE = 0.05\n{R}\n", RATE),
    Form("a blank line too many", f"{HEAD}FILE: train.py\n{S}\nRATE = 0.1\n\nSTEPS = 100\n{M}\nRATE = 0.05\nSTEPS = 100\n{R}\n", RATE),
    Form("indented in a list", f"{HEAD}1. FILE: train.py\n{listed(BLOCK)}", RATE),
    Form("all of a list item", HEAD + "- " + listed(f"FILE: train.py\n{BLOCK}", "  ").lstrip(), RATE),
    Form("search without its indentation", f"{HEAD}FILE: train.py\n{S}\nif step < 10:\n    return step / 10\n{M}\n"
         f"if step < 20:\n    return step / 20\n{R}\n", WARM),
    Form("search with too much indentation", f"{HEAD}FILE: train.py\n{S}\n        if step < 10:\n            return step / 10\n{M}\n"
         f"        if step < 20:\n            return step / 20\n{R}\n", WARM),
    Form("only the search lost its indentation", f"{HEAD}FILE: train.py\n{S}\nif step < 10:\n    return step / 10\n{M}\n"
         f"    if step < 20:\n        return step / 20\n{R}\n", WARM),
    Form("spaces for the file's tabs", f"{HEAD}FILE: train.py\n{S}\n    return 1\n{M}\n    return 2\n{R}\n",
         {"train.py": "def f():\n\treturn 2\n"}, {"train.py": "def f():\n\treturn 1\n"}),
    Form("small letters", GOOD.replace("SEARCH", "search").replace("REPLACE", "replace"), RATE),
    Form("small letters everywhere", GOOD.replace("SEARCH", "search").replace("REPLACE", "replace").replace("FILE", "file").replace("TITLE", "title"), RATE),
    Form("ORIGINAL and UPDATED", GOOD.replace("SEARCH", "ORIGINAL").replace("REPLACE", "UPDATED"), RATE),
    Form("marks of six", GOOD.replace("<<<<<<<", "<<<<<<").replace("=======", "======").replace(">>>>>>>", ">>>>>>"), RATE),
    Form("marks of unlike length", GOOD.replace("=======", "========").replace(">>>>>>>", ">>>>>>"), RATE),
    Form("the closing mark without its word", GOOD.replace(">>>>>>> REPLACE", ">>>>>>>"), RATE),
    Form("dashes and pluses", GOOD.replace("<<<<<<<", "-------").replace(">>>>>>>", "+++++++"), RATE),
    Form("marks longer for equal signs in the text", "TITLE: t\nFILE: notes.py\n<<<<<<<< SEARCH\n'''\n=======\n'''\n========\n'''\n=====\n'''\n>>>>>>>> REPLACE\n",
         {"notes.py": "'''\n=====\n'''\n"}, {"notes.py": "'''\n=======\n'''\n"}),
    Form("the line named behind the path", GOOD.replace("FILE: train.py", "FILE: train.py (line 3)"), RATE),
    Form("lines named behind the path", GOOD.replace("FILE: train.py", "FILE: `train.py` (lines 3-4)"), RATE),
    Form("the line behind a colon", GOOD.replace("FILE: train.py", "FILE: train.py:3"), RATE),
    Form("the line tells which of two", f"{HEAD}FILE: train.py (line 15)\n{S}\n    return x - rate\n{M}\n    return x - 2 * rate\n{R}\n",
         {"train.py": CODE.replace("return x - rate", "return x - 2 * rate", 1)}),
    Form("bold and in backticks", GOOD.replace("FILE: train.py", "**FILE:** `train.py`").replace("TITLE: a lower rate", "**TITLE: a lower rate**"), RATE),
    Form("a heading of markdown", GOOD.replace("FILE: train.py", "### File: train.py"), RATE),
    Form("filename", GOOD.replace("FILE: train.py", "Filename: train.py"), RATE),
    Form("file path", GOOD.replace("FILE: train.py", "File path: `train.py`"), RATE),
    Form("bare path above a fence", f"{HEAD}train.py\n```python\n{BLOCK}```\n", RATE),
    Form("path in backticks with a colon", f"{HEAD}`train.py`:\n\n```\n{BLOCK}```\n", RATE),
    Form("a sentence that names the file", f"{HEAD}In `train.py`, replace this:\n\n{BLOCK}", RATE),
    Form("path behind the opening mark", GOOD.replace("FILE: train.py\n", "").replace("SEARCH", "SEARCH train.py"), RATE),
    Form("no path, but lines of one file alone", GOOD.replace("FILE: train.py\n", ""), RATE),
    Form("path inside of the fence", f"{HEAD}```python\ntrain.py\n{BLOCK}```\n", RATE),
    Form("fences around each part", f"{HEAD}FILE: train.py\n```\n{BLOCK}```\n\nFILE: src/config.yaml\n```yaml\n{BLOCK.replace('RATE = ', 'rate: ')}```\n", BOTH),
    Form("the whole answer in a fence", f"```\n{GOOD}```\n", RATE),
    Form("a/ before the path", GOOD.replace("train.py", "a/train.py"), RATE),
    Form("./ before the path", GOOD.replace("train.py", "./train.py"), RATE),
    Form("path in other letters' case", GOOD.replace("FILE: train.py", "FILE: Train.py"), RATE),
    Form("only the end of the path", f"{HEAD}FILE: config.yaml\n{BLOCK.replace('RATE = ', 'rate: ')}", YAML),
    Form("no title", f"FILE: train.py\n{BLOCK}", RATE),
    Form("prose before and after", f"Sure! Let me think about what limits the loss.\n\n{GOOD}\nI hope that this helps. Let me know!\n", RATE),
    Form("CR LF", GOOD.replace("\n", "\r\n"), RATE),
    Form("no line end at the end", GOOD.rstrip("\n"), RATE),
    Form("file with CR LF", GOOD, {"train.py": WHOLE.replace("\n", "\r\n")}, {"train.py": CODE.replace("\n", "\r\n")}),
    Form("two blocks of one file", GOOD + WARMER, {"train.py": WARM["train.py"].replace("RATE = 0.1", "RATE = 0.05")}),
    Form("fences within both parts", GOOD.replace("RATE = 0.1", "```python\nRATE = 0.1\n```").replace("RATE = 0.05", "```python\nRATE = 0.05\n```"), RATE),
    Form("search and replace in fences of their own", f"{HEAD}FILE: train.py\n\nSEARCH:\n```python\nRATE = 0.1\n```\nREPLACE:\n```python\nRATE = 0.05\n```\n", RATE),
    Form("before and after", f"{HEAD}### train.py\n\n**Before:**\n```python\nRATE = 0.1\n```\n\n**After:**\n```python\nRATE = 0.05\n```\nDone.\n", RATE),
    Form("a new file by an empty search", f"{GOOD}\nNEW FILE: schedule.py\n{S}\n{M}\nHALF = 50\n{R}\n", MADE),
    Form("a new file in a fence", f"{GOOD}\nNEW FILE: schedule.py\n```python\nHALF = 50\n```\n", MADE),
]
DRAFTS = [
    Form("thoughts before it", f"<think>\nPerhaps a rate of 0.2?\n{GOOD.replace('0.05', '0.2')}No, lower.\n</think>\n\n{GOOD}", RATE),
    Form("thoughts that only end", f"Perhaps a rate of 0.2?\n{GOOD.replace('0.05', '0.2')}</think>\n{GOOD}", RATE),
    Form("two drafts", f"{GOOD.replace('0.05', '0.2')}\nWait, 0.2 diverged before. Again:\n\n{GOOD}", RATE),
    Form("the same block twice", f"{GOOD.replace('0.05', '0.2')}\nActually, lower is better:\n\n{BLOCK}", RATE),
    Form("a second draft that is cut off", f"{GOOD}\nOr rather:\n\n{GOOD[:GOOD.index(M)]}", RATE),
    Form("the file quoted before the block", f"{HEAD}FILE: train.py\nToday:\n```python\nRATE = 0.1\nSTEPS = 100\n```\nThe change:\n{BLOCK}", RATE),
]
WHOLES = [
    Form("the whole file under FILE", f"{HEAD}FILE: train.py\n```python\n{WHOLE}```\n", RATE),
    Form("the whole file under its bare path", f"{HEAD}train.py\n```python\n{WHOLE}```\n\nRun it with:\n\n```bash\npython train.py\n```\n", RATE),
    Form("path behind the fence's language", f"{HEAD}```python:train.py\n{WHOLE}```\n", RATE),
    Form("path in the fence's first line", f"{HEAD}```python\n# train.py\n{WHOLE}```\n", RATE),
    Form("the whole file with no path at all", f"{HEAD}Here is the complete file:\n\n```python\n{WHOLE}```\nEnjoy!\n", RATE),
    Form("two whole files", f"{HEAD}FILE: train.py\n```python\n{WHOLE}```\n\nFILE: src/config.yaml\n```yaml\n{YAML['src/config.yaml']}```\n", BOTH),
    Form("fence within a longer fence", f"{HEAD}FILE: train.py\n````python\n{WHOLE}\nHELP = '''\n```\nrun\n```\n'''\n````\n",
         {"train.py": f"{WHOLE}\nHELP = '''\n```\nrun\n```\n'''\n"}),
    Form("fence with a language within a fence", f"{HEAD}FILE: train.py\n```python\n{WHOLE}\nHELP = '''\n```sh\nrun\n```\n'''\n```\n",
         {"train.py": f"{WHOLE}\nHELP = '''\n```sh\nrun\n```\n'''\n"}),
    Form("tildes for a fence", f"{HEAD}FILE: train.py\n~~~python\n{WHOLE}~~~\n", RATE),
]
DIFFS = [
    Form("a diff", f"{HEAD}{DIFF}", RATE),
    Form("a diff in a fence", f"{HEAD}```diff\n{DIFF}```\nThat is all.\n", RATE),
    Form("a diff as git writes it", f"{HEAD}```diff\ndiff --git a/train.py b/train.py\nindex 1234567..89abcde 100644\n{DIFF}```\n", RATE),
    Form("wrong line numbers", f"{HEAD}```diff\n{DIFF.replace('-1,6 +1,6', '-41,3 +57,9')}```\n", RATE),
    Form("no line numbers", f"{HEAD}```diff\n{DIFF.replace('@@ -1,6 +1,6 @@', '@@ ... @@')}```\n", RATE),
    Form("blank context lines without their space", f"{HEAD}```diff\n{DIFF.replace(chr(10) + ' ' + chr(10), chr(10) * 2)}```\n", RATE),
    Form("no file names above the hunk", f"{HEAD}FILE: train.py\n```diff\n{DIFF.partition('b/train.py' + chr(10))[2]}```\n", RATE),
    Form("no context", f"{HEAD}```diff\n--- train.py\n+++ train.py\n@@ -3 +3 @@\n-RATE = 0.1\n+RATE = 0.05\n```\n", RATE),
    Form("right line numbers tell which of two", f"{HEAD}--- a/train.py\n+++ b/train.py\n@@ -15,1 +15,1 @@\n-    return x - rate\n+    return x - 2 * rate\n",
         {"train.py": CODE.replace("return x - rate", "return x - 2 * rate", 1)}),
    Form("two hunks and a new file", f"{HEAD}```diff\n{DIFF}@@ -7,3 +7,3 @@\n def warm(step):\n-    if step < 10:\n+    if step < 20:\n"
         "         return step / 10\n--- /dev/null\n+++ b/schedule.py\n@@ -0,0 +1 @@\n+HALF = 50\n```\n",
         MADE | {"train.py": WHOLE.replace("step < 10", "step < 20")}),
    Form("a space behind the signs", f"{HEAD}```diff\n--- train.py\n+++ train.py\n@@\n- RATE = 0.1\n+ RATE = 0.05\n```\n", RATE),
    Form("a patch with asterisks", f"{HEAD}*** Begin Patch\n*** Update File: train.py\n@@ import math\n-RATE = 0.1\n+RATE = 0.05\n STEPS = 100\n"
         "*** Add File: schedule.py\n+HALF = 50\n*** End Patch\n", MADE),
]
OBJECTS = [
    Form("JSON", steps(("train.py", "RATE = 0.1", "RATE = 0.05")), RATE),
    Form("JSON in a fence with words around", f"Here it is:\n\n```json\n{steps(('train.py', 'RATE = 0.1', 'RATE = 0.05'))}\n```\nDone.", RATE),
    Form("JSON with real line ends", steps(("train.py", "RATE = 0.1\nSTEPS = 100", "RATE = 0.05\nSTEPS = 100")).replace("\\n", "\n"), RATE),
    Form("JSON of other names", '{"title": "t", "changes": [{"path": "train.py", "old_string": "RATE = 0.1", "new_string": "RATE = 0.05"}]}', RATE),
    Form("JSON with a whole file", json.dumps({"title": "t", "files": [{"path": "train.py", "content": WHOLE}]}), RATE),
]
REFUSED = [
    Form("no change", "I would try a lower rate.", None),
    Form("found twice", f"{HEAD}FILE: train.py\n{S}\n    return x - rate\n{M}\n    return x\n{R}\n", None),
    Form("found twice without its indentation", f"{HEAD}FILE: train.py\n{S}\nreturn x - rate\n{M}\nreturn x\n{R}\n", None),
    Form("indentation flattened", f"{HEAD}FILE: train.py\n{S}\nif step < 10:\nreturn step / 10\n{M}\nif step < 20:\nreturn step / 20\n{R}\n", None),
    Form("found nowhere", GOOD.replace("RATE = 0.1", "RATE = 0.3"), None),
    Form("only the beginning of a line", GOOD, None, {"train.py": "RATE = 0.15\n"}),
    Form("code left out of the replacement", f"{HEAD}FILE: train.py\n{S}\nRATE = 0.1\nSTEPS = 100\n{M}\nRATE = 0.05\n# ... rest unchanged\n{R}\n", None),
    Form("code left out of a whole file", f"{HEAD}FILE: train.py\n```python\nimport math\n\nRATE = 0.05\n\n# ... existing code ...\n\n\n"
         "def step(x):\n    rate = RATE * math.cos(x)\n    return x - rate\n```\n", None),
    Form("code left out in words", f"{HEAD}FILE: train.py\n```python\n{WHOLE.partition('def step')[0]}# (the rest of the file stays the same)\n```\n", None),
    Form("code left out of the search", f"{HEAD}FILE: train.py\n{S}\ndef step(x):\n    ...\n    return x - rate\n{M}\ndef step(x):\n    return x\n{R}\n", None),
    Form("a part given for the whole", f"{HEAD}FILE: train.py\n```python\nRATE = 0.05\n```\n", None),
    Form("a part of YAML given for the whole", f"{HEAD}FILE: src/config.yaml\n```yaml\nrate: 0.05\nlayers:\n  - 64\n```\n", None),
    Form("a whole file without an import that it uses", f"{HEAD}FILE: train.py\n```python\n{WHOLE.partition(chr(10) * 2)[2]}\n\nA = 1\nB = 2\n```\n", None),
    Form("a whole file that is cut off", f"{HEAD}FILE: train.py\n```python\n{WHOLE.rstrip()}", None),
    Form("a fence in a fence of like length", f"{HEAD}FILE: src/config.yaml\n```yaml\nrate: 0.05\nhelp: |\n```\nrun\n```\nlayers:\n  - 64\n  - 64\nseed: 1\n```\n", None),
    Form("a path outside", GOOD.replace("FILE: train.py", "FILE: ../train.py"), None),
    Form("a folder that is none", GOOD.replace("FILE: train.py", "FILE: score/train.py"), None),
    Form("only thoughts", f"<think>\n{GOOD}", None),
    Form("cut off in the middle of a block", GOOD[:GOOD.index("RATE = 0.05")], None),
    Form("an answer that no longer parses", GOOD.replace("RATE = 0.05", "RATE = (0.05"), None),
    Form("a diff whose context is wrong", f"{HEAD}{DIFF.replace(' STEPS = 100', ' STEPS = 500')}", None),
    Form("a diff that only adds", f"{HEAD}```diff\n--- a/train.py\n+++ b/train.py\n@@ -3,0 +4 @@\n+WARM = 1\n```\n", None),
    Form("lines of two files and no path", GOOD.replace("FILE: train.py\n", ""), None, FILES | {"other.py": CODE}),
    Form("before and after in two fences", f"{HEAD}FILE: train.py\n```python\nRATE = 0.1\n```\nbecomes\n```python\nRATE = 0.05\n```\n", None),
]
ACCEPTED = [*BLOCKS, *DRAFTS, *WHOLES, *DIFFS, *OBJECTS]
FORMS = [*ACCEPTED, *REFUSED]
