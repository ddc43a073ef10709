"""Parts of the code for several researchers, and the lines that others are at."""

from hypothesis import given
from hypothesis import strategies as st

from needs import paced
from overnight.brief.areas import areas
from overnight.brief.page import page
from overnight.contracts import Brief
from overnight.execution.desk import touched

CODE = "".join(f"def f{i}():\n    a = {i}\n    b = {i}\n    return a + b\n\n\n" for i in range(8))
PATCH = """\
diff --git a/train.py b/train.py
index 1..2 100644
--- a/train.py
+++ b/train.py
@@ -1,4 +1,5 @@
 def f0():
-    a = 0
+    a = 7
     b = 0
+    c = 1
     return a + b
@@ -20,2 +21,1 @@
-    a = 3
 def g():
"""


def brief(**fields):
    return Brief(goal="g", metric="loss", direction="minimize", files={"train.py": CODE}, frontier=0, noise=None, history=(),
                 program="", seed=1, **fields)


@given(st.dictionaries(st.sampled_from(["a.py", "b.py", "c.py"]), st.text("ab #\n ", max_size=80)), st.integers(1, 6))
@paced
def test_every_line_that_says_something_is_in_one_part(files, count):
    wanted = {(path, n) for path, text in files.items() for n, line in enumerate(text.split("\n"), 1)
              if line.strip() and not line.lstrip().startswith("#")}
    held = [(each.path, n) for part in areas(files, count) for each in part for n in range(each.first, each.last + 1)]
    assert wanted <= set(held) and len(held) == len(set(held)) and len(areas(files, count)) == min(count, len(wanted))


def test_parts_begin_at_definitions():
    assert [(part[0].first - 1) % 6 for part in areas({"train.py": CODE}, 4)] == [0, 0, 0, 0]


def test_the_lines_of_a_patch_are_those_that_it_takes_away_or_adds_behind():
    assert touched([PATCH, PATCH]) == {"train.py": [2, 3, 20]}


def test_each_of_several_is_told_another_part_and_what_to_leave_alone():
    told = [page(brief(beside=(mine, 4), taken={"train.py": [2, 3, 20]})).text for mine in range(4)]
    where = [text.partition("nothing in it is worth a try: ")[2].partition("\n")[0] for text in told]
    assert len(set(where)) == 4 and where[0].startswith('"train.py", lines 1 to ') and "3 other researchers are at work" in told[0]
    assert all('leave them alone where you can: "train.py", lines 2-3, 20.' in text for text in told)
    assert "Of two changes of one line" not in page(brief()).text


def test_a_few_lines_are_not_shared_out():
    files = {"train.py": "X = 1\n"}
    assert "other researchers" not in page(Brief(goal="g", metric="loss", direction="minimize", files=files, frontier=0, noise=None,
                                                 history=(), program="", seed=1, beside=(1, 4))).text
