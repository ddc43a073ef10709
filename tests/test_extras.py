"""Packages that are not in the base install: what goes on without them, and the one sentence where nothing can.

Each command runs in an interpreter of its own that finds none of an extra's packages.
"""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import overnight as package
from conftest import LITTLE, ROOT, commit, overnight, repository, sentence, trusted
from overnight.errors import ExtraMissing, extra

NEEDS = "night"
PACKAGES = {"agents": "acp", "charts": "matplotlib", "export": "pandas pyarrow", "ideas": "arxiv", "llm": "pydantic_ai",
            "mcp": "mcp", "mlflow": "mlflow sqlalchemy alembic", "notify": "apprise", "postgres": "psycopg",
            "similarity": "rapidfuzz snowballstemmer", "wandb": "wandb", "web": "starlette uvicorn jinja2 pygments"}
ALL = " ".join(PACKAGES.values())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def without(packages, *arguments, command=True):
    """Run `overnight`, or with command=False a piece of Python, where these packages are not installed."""
    then = "from overnight.cli import main; main()" if command else arguments[0]
    code = f"import sys; sys.modules.update(dict.fromkeys({packages.split()})); {then}"
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)


def advice(name):
    """What the sentence about a missing extra says to type: where Overnight is installed, and in a clone."""
    return f"needs the extra '{name}': pip install 'overnight[{name}]', or in a clone of Overnight scripts/setup.sh {name}."


@pytest.fixture(scope="module")
def track(tmp_path_factory):
    """The smallest track after a short night, which ran without any extra."""
    folder = repository(tmp_path_factory.mktemp("extras") / "little", LITTLE)
    done = without(ALL, "run", folder, "--experiments", 3)
    assert (done.returncode, done.stderr) == (0, "")
    return folder


# ---- the sentence ----------------------------------------------------------------------------------------------


@pytest.mark.pure
def test_a_missing_package_is_one_sentence_that_says_what_to_install():
    with pytest.raises(ExtraMissing) as caught, extra("charts", "drawing"):
        import no_such_package  # noqa: F401
    assert str(caught.value) == f"drawing {advice('charts')}"


@pytest.mark.pure
def test_an_import_of_our_own_that_fails_is_no_missing_package():
    with pytest.raises(ImportError, match="no_such_name"), extra("charts", "drawing"):
        from overnight.errors import no_such_name  # noqa: F401


def named():
    """Every extra that the source asks for."""
    for path in Path(package.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "extra":
                yield node.args[0].value


@pytest.mark.pure
def test_every_extra_is_asked_for_by_its_name():
    assert set(named()) == set(EXTRAS) - {"dev", "docs"} == set(PACKAGES)  # those two are of no use to a command


@pytest.mark.pure
def test_the_extra_for_developers_brings_all_others():
    whole = next(line for line in EXTRAS["dev"] if line.startswith("overnight["))
    assert whole == f"overnight[{','.join(sorted(set(EXTRAS) - {'dev'}))}]"


@pytest.mark.pure
def test_no_package_is_in_the_base_install_and_in_an_extra():
    bare = {name: {re.split(r"[\[<>=]", line)[0] for line in lines} for name, lines in EXTRAS.items()}
    base = {re.split(r"[\[<>=]", line)[0] for line in PROJECT["dependencies"]}
    assert not {name: both for name, packages in bare.items() if (both := packages & base)}


@pytest.mark.pure
@pytest.mark.parametrize("name", PACKAGES)
def test_the_constraints_and_the_page_on_dependencies_know_every_package(name):
    known = (ROOT / "constraints.txt").read_text(encoding="utf-8").casefold()
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    for line in EXTRAS[name]:
        found = re.split(r"[\[<>=]", line)[0]
        assert f"\n{found}==".casefold() in f"\n{known}" and found in page, found


# ---- what goes on ----------------------------------------------------------------------------------------------


def test_without_any_extra_every_command_of_a_night_works(track):
    for words in (["check"], ["status"], ["log"], ["brief"], ["idea", "list"]):
        done = without(ALL, *words, track)
        assert (done.returncode, done.stderr) == (0, ""), words


def test_without_charts_a_report_has_all_but_its_pictures_and_one_sentence(track, tmp_path):
    done = without(PACKAGES["charts"], "report", track, "--to", tmp_path / "out")
    assert done.returncode == 0 and done.stderr == f"overnight: drawing the report's pictures {advice('charts')}\n"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html", "report.md", "results.tsv"]
    assert done.stdout.splitlines() == [str(tmp_path / "out" / name) for name in ("results.tsv", "report.md", "report.html")]
    whole = overnight("report", track, "--to", tmp_path / "whole")
    assert whole.returncode == 0 and not whole.stderr
    text, drawn = [(tmp_path / name / "report.md").read_text() for name in ("out", "whole")]
    assert "progress" not in text and text == re.sub(r"!\[.*\]\(progress\.png\)\n\n", "", drawn) != drawn


def test_without_web_a_report_has_all_but_its_page_and_one_sentence(track, tmp_path):
    done = without(PACKAGES["web"], "report", track, "--to", tmp_path / "out")
    assert done.returncode == 0 and done.stderr == f"overnight: the report as a page {advice('web')}\n"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "card.png", "progress.png", "progress.svg", "report.md", "results.tsv"]


def test_without_similarity_an_idea_is_known_again_by_its_own_words(track):
    assert without(ALL, "idea", "add", "Raise the learning rate", track).returncode == 0
    again = without(PACKAGES["similarity"], "idea", "add", "raise  the learning RATE", track)
    said, refused = again.stderr.splitlines()
    assert again.returncode == 2 and "is like idea" in refused
    assert said == f"overnight: recognising an idea in other words {advice('similarity')}"
    assert "is like idea" in sentence(overnight("idea", "add", "a higher learning rate", track))
    other = without(PACKAGES["similarity"], "idea", "add", "a higher learning rate", track)
    assert other.returncode == 0 and other.stderr == f"{said}\n"


def test_without_similarity_a_list_of_ideas_is_imported_each_once(track, tmp_path):
    (tmp_path / "ideas.md").write_text("- Use dropout\n- use  Dropout\n- Dropout is to be used\n")
    done = without(PACKAGES["similarity"], "idea", "import", tmp_path / "ideas.md", track)
    assert done.returncode == 0 and advice("similarity") in done.stderr and len(done.stderr.splitlines()) == 1
    assert [line.partition(": ")[2].partition("  (")[0] for line in done.stdout.splitlines()] == ["Use dropout", "Dropout is to be used"]


# ---- what cannot go on -----------------------------------------------------------------------------------------


def test_without_agents_a_role_that_speaks_their_protocol_is_a_sentence(little):
    commit(little, {"program.md": "---\nroles: {helper: {kind: agent, agent: 'acp:true'}}\n---\nGo.\n"})
    trusted(little)
    assert advice("agents") in sentence(without(PACKAGES["agents"], "run", little, "--experiments", 1))


def test_without_ideas_papers_are_a_sentence(track):
    assert sentence(without(PACKAGES["ideas"], "idea", "import", "arxiv:warmup", track)) == f"importing from arXiv {advice('ideas')}"


def test_without_llm_a_model_is_a_sentence(track):
    done = without(PACKAGES["llm"], "run", track, "--model", "ollama:qwen3", "--experiments", 1)
    assert sentence(done) == f"the model ollama:qwen3 {advice('llm')}"


def test_without_mcp_its_command_is_a_sentence(track):
    assert sentence(without(PACKAGES["mcp"], "mcp", track)) == f"`overnight mcp` {advice('mcp')}"


def test_without_notify_an_address_is_a_sentence(track):
    done = without(PACKAGES["notify"], "run", track, "--notify", "json://127.0.0.1:9/secret", "--experiments", 1)
    assert sentence(done) == f"sending word of a night {advice('notify')}"


def test_without_postgres_a_journal_there_is_a_sentence(track, monkeypatch):
    monkeypatch.setenv("OVERNIGHT_JOURNAL", "postgresql://ada:secret@127.0.0.1:9/none")
    assert sentence(without(PACKAGES["postgres"], "status", track)) == f"a journal in PostgreSQL {advice('postgres')}"


# ---- what is loaded --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["status"]])
def test_a_light_command_loads_nothing_heavy(track, words):
    heavy = {*ALL.split(), "numpy", "rich", "requests", "httpx2", "pydantic", "overnight.sandbox", "overnight.researchers"}
    heavy |= {"msgspec", "asyncio", "overnight.lab"} if words != ["status"] else set()
    code = ("import sys; from overnight.cli import main; main(standalone_mode=False); "
            "print(*sorted(sys.modules))")
    words = [*words, str(track)] if words == ["status"] else words
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "click" in loaded and not heavy & loaded


def test_without_its_packages_an_export_is_csv_and_one_sentence_for_the_rest(track, tmp_path):
    done = without(ALL, "export", track, "--to", tmp_path / "x.csv")
    assert (done.returncode, done.stderr) == (0, "") and (tmp_path / "x.csv").read_text().startswith("track,id,")
    for name, to, what in (("export", "x.parquet", "Parquet"), ("mlflow", "x.db", "exporting to MLflow"), ("wandb", "w", "exporting to Weights & Biases")):
        done = without(PACKAGES[name], "export", track, "--to", tmp_path / to, "--format", "parquet" if name == "export" else name)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"overnight: {what} {advice(name)}\n"), name
    assert [path.name for path in tmp_path.iterdir()] == ["x.csv"]
