"""The shipped doubles: scripted models in this process and over HTTP, with faults and a count of their own."""

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT, stop
from overnight.contracts import Brief, Change
from overnight.errors import Away, EditError, TrackError
from overnight.researchers.llm import edits
from overnight.researchers.llm.author import Author
from overnight.researchers.llm.budget import BudgetBounds, ModelBudget
from overnight.researchers.llm.client import ModelClient
from overnight.researchers.llm.model import Model, Request
from overnight.testing.models import Scripted, count, in_order, script, shortened, tinker, turned
from overnight.testing.server import Faults, Server, spoilt
from said import said

ASKED = Request("author", "propose", 7, "stable", "current", timeout=20)


def asked(server, request=ASKED):
    """What a request came to: its text, or the word for why there is none."""
    try:
        return Model(f"server:any@{server.url}").ask(request).text
    except Away as away:
        return away.outcome


# ---- what they say ---------------------------------------------------------------------------------------------


def brief(files, seed=1):
    return Brief("goal", "loss", "minimize", files, 0, None, (), "", seed, editable=tuple(files))


def test_the_tinker_turns_one_number_of_the_code_on_the_page():
    files = {"settings.py": "RATE = 0.1  # per step\nSTEPS = 100\nname = 'x'\n", "b/more.py": "Z = -3\n"}
    made = Author(ModelClient("author", Scripted(tinker), ModelBudget(BudgetBounds(), lambda call: None)))
    changes = [made.propose(msg) for msg in (brief(files), brief({"settings.py": "RATE = 0.1\n"}))]
    assert all(len(change.files) == 1 for change in changes)
    (path, text), = changes[0].files.items()
    differ = [(a, b) for a, b in zip(files[path].split("\n"), text.split("\n"), strict=True) if a != b]
    assert len(differ) == 1 and re.fullmatch(r"(RATE|STEPS|Z) = -?[\d.e-]+(  # per step)?", differ[0][1])


def test_the_tinker_finds_something_else_on_another_page():
    files = {"settings.py": "".join(f"K{n} = {n}.5\n" for n in range(20))}
    made = Author(ModelClient("author", Scripted(tinker), ModelBudget(BudgetBounds(), lambda call: None)))
    notes = [Brief("goal", "loss", "minimize", files, 0, None, (), "", 1, editable=("*.py",), notes=str(n)) for n in range(20)]
    assert len({made.propose(n).message for n in notes}) > 15


@given(st.integers(-10**6, 10**6).map(str) | st.floats(-1e9, 1e9).map(repr), st.randoms(use_true_random=False))
def test_a_turned_number_is_another_number(text, lots):
    new = turned(text, lots)
    assert float(new) != float(text) or abs(float(text)) < 1e-300, "the smallest numbers have no half"


def test_a_scripted_model_counts_and_cuts():
    answer = Scripted(in_order(["one two.", "three"])).ask(Request("a", "propose", 1, "s", "c", max_tokens=2))
    assert (answer.text, answer.tokens_in, answer.tokens_out, answer.cut) == ("one two", 2, 2, True)


@given(st.text(max_size=60), st.integers(0, 30))
def test_a_shortened_text_has_so_many_tokens(text, most):
    short, cut = shortened(text, most)
    assert text.startswith(short) and count(short) == min(count(text), most) and cut == (count(text) > most)


def test_a_script_is_a_folder_a_file_or_python(tmp_path):
    for name, text in {"b.md": "second", "a.md": "first", "c.txt": "no"}.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "s.py").write_text("def answer(messages):\n    return messages[-1]['content'].upper()\n")
    assert script(tmp_path) == ["first", "second"] and script(tmp_path / "b.md") == ["second"]
    assert script(tmp_path / "s.py")([{"role": "user", "content": "hey"}]) == "HEY"
    (tmp_path / "empty.py").write_text("")
    for wrong in (tmp_path / "nothing", tmp_path / "empty.py"):
        with pytest.raises(TrackError, match=r"\.$"):
            script(wrong)


# ---- faults ----------------------------------------------------------------------------------------------------


@pytest.mark.services
def test_faults_come_in_their_shares_and_follow_from_the_seed():
    def drawn(seed):
        server = Server("x", Faults(0.1, 0.1, 0.1, 0.1), seed=seed)
        server._http.server_close()
        return [server._fault(n) for n in range(2_000)]

    counts = Counter(drawn(1))
    assert drawn(1) == drawn(1) != drawn(2)
    assert all(140 < counts[name] < 260 for name in ("timeouts", "limits", "outages", "malformed"))


@pytest.mark.services
def test_the_count_is_of_what_happened():
    with Server(["one two three"], Faults(limits=0.3, outages=0.3), seed=2) as server:
        got = Counter(asked(server) for _ in range(30))
        shown = json.loads(urllib.request.urlopen(server.url.replace("/v1", "/tally")).read())
    assert got == Counter({"one two three": server.tally.answered, "limit": server.tally.limits, "outage": server.tally.outages})
    assert len(got) == 3 and shown["requests"] == 30 == server.tally.requests
    assert (server.tally.tokens_in, server.tally.tokens_out) == (2 * got["one two three"], 3 * got["one two three"])


@pytest.mark.services
def test_a_client_that_has_gone_is_not_counted_as_answered():
    with Server(["x"], latency=30.0) as server:
        assert asked(server, Request("a", "propose", 7, "s", "c", timeout=0.3)) == "timeout"
    assert (server.tally.answered, server.tally.tokens_in) == (0, 0)


FILES = {"a.py": "A = 1\nB = 2\n"}


@given(st.randoms(use_true_random=False))
def test_a_spoilt_answer_cannot_be_used(lots):
    answer = said(Change({"a.py": "A = 1\nB = 3\n"}, "B up\n\nwhy"), FILES)
    with pytest.raises(EditError):
        edits.change(spoilt(answer, lots), brief(FILES))


@pytest.mark.services
@pytest.mark.parametrize(("options", "words"), [({"key": "right"}, "refuses the key"), ({"models": ("other",)}, "no such model")])
def test_it_can_want_a_key_and_know_some_models(options, words):
    with Server(["x"], **options) as server, pytest.raises(Away, match=words) as error:
        Model(f"server:any@{server.url}").ask(ASKED)
    assert error.value.wait is None


@pytest.mark.services
@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"messages": 1}', b'{"messages": [1]}', b'{"messages": [], "max_tokens": "x"}'])
def test_a_request_that_is_none_is_refused(body):
    with Server(["x"]) as server:
        request = urllib.request.Request(f"{server.url}/chat/completions", body)
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(request)
        error.value.close()
        assert error.value.code == 400
        assert asked(server) == "x"


# ---- as a command ----------------------------------------------------------------------------------------------


def started(*arguments):
    process = subprocess.Popen([sys.executable, "-m", "overnight.testing.server", *map(str, arguments)], stdout=subprocess.PIPE,
                               text=True)
    return process, process.stdout.readline().strip()


@pytest.mark.services
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_started_again_it_goes_on_where_it_was(tmp_path, how):
    (tmp_path / "script").mkdir()
    for n in range(4):
        (tmp_path / "script" / f"{n}.md").write_text(f"answer {n}")
    options = ["--script", tmp_path / "script", "--tally", tmp_path / "tally.json"]
    process, url = started("--port", 0, *options)
    model = Model(f"server:any@{url}")
    try:
        assert [model.ask(ASKED).text for _ in range(3)] == ["answer 0", "answer 1", "answer 2"]
    finally:
        stop(process, how)
        process.stdout.close()
    with pytest.raises(Away, match="cannot be reached"):
        model.ask(ASKED)
    process, again = started("--port", url.rpartition(":")[2].removesuffix("/v1"), *options)
    try:
        assert again == url and [model.ask(ASKED).text for _ in range(2)] == ["answer 3", "answer 0"]
        tally = json.loads((tmp_path / "tally.json").read_text())
    finally:
        stop(process)
        process.stdout.close()
    assert (tally["requests"], tally["answered"], tally["tokens_in"], tally["tokens_out"]) == (5, 5, 10, 10)


@pytest.mark.services
def test_a_script_that_is_none_is_one_sentence(tmp_path):
    done = subprocess.run([sys.executable, "-m", "overnight.testing.server", "--script", tmp_path / "no"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and done.stderr.rstrip().endswith(".")


@pytest.mark.services
def test_the_example_in_the_docs_runs():
    text = (ROOT / "docs/models.md").read_text()
    exec(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1], {})
