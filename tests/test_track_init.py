"""`overnight init`: what it finds out, and that the contract which it writes is one."""

import pytest

from conftest import git, overnight, repository, sentence, write
from overnight.errors import TrackError
from overnight.track import init, program, spec

KARPATHY = {"program.md": "# autoresearch\n", "prepare.py": "print('data')\n",
            "train.py": "loss = 0.9\nprint('---')\nprint(f\"val_bpb:          {loss:.6f}\")\n"}


def looked(folder, files, **told):
    write(folder, files)
    return init.look(folder, **told)


def test_karpathys_layout_is_known(tmp_path):
    found = looked(tmp_path, KARPATHY)
    assert (found.editable, found.metric, found.direction, found.run) == ("train.py", "val_bpb", "minimize", "train.py")


@pytest.mark.parametrize("missing", ["program.md", "prepare.py"])
def test_a_layout_without_one_of_its_files_is_another(tmp_path, missing):
    assert looked(tmp_path, {k: v for k, v in KARPATHY.items() if k != missing}).timeout != "15min"


@pytest.mark.parametrize(("line", "metric", "direction"), [
    ("print(f'val_loss: {x}')", "val_loss", "minimize"),
    ("print(f'accuracy={x:.3f}')", "accuracy", "maximize"),
    ("print( f\"tokens_per_second: {x}\", flush=True)", "tokens_per_second", "maximize"),
    ("sys.stdout.write(f'latency_ms: {x}\\n')", "latency_ms", "minimize"),
    ("logging.info(f'f1 : {x}')", "f1", "maximize"),
])
def test_the_number_that_a_script_prints_is_found_with_its_direction(tmp_path, line, metric, direction):
    found = looked(tmp_path, {"main.py": line + "\n"})
    assert (found.metric, found.direction) == (metric, direction)


def test_of_several_numbers_the_last_that_has_a_direction_is_taken(tmp_path):
    text = "print(f'step: {n}')\nprint(f'train_loss: {a}')\nprint(f'val_loss: {b}')\nprint(f'parameters: {c}')\n"
    assert looked(tmp_path, {"train.py": text}).metric == "val_loss"


def test_a_number_that_is_named_is_taken_whatever_it_is_called(tmp_path):
    assert looked(tmp_path, {"main.py": "print(f'widgets: {n}')\n"}, metric="widgets").metric == "widgets"


def test_an_entry_that_is_named_is_taken(tmp_path):
    files = {"train.py": "print(f'loss: {x}')\n", "other.py": "print(f'score: {x}')\n"}
    assert looked(tmp_path, files, entry="other.py").run == "other.py"


def test_an_entry_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(TrackError, match=r"there is no other\.py"):
        looked(tmp_path, {"train.py": "print(f'loss: {x}')\n"}, entry="other.py")


@pytest.mark.parametrize("files", [{"main.py": "print('hello')\n"}, {"README": "no code\n"}, {"train.py": "x = 1\n"}])
def test_where_nothing_is_printed_it_says_how_to_go_on(tmp_path, files):
    with pytest.raises(TrackError, match="print the number to improve like that, or name it with --metric"):
        looked(tmp_path, files)


def test_the_projects_own_virtual_environment_is_used(tmp_path):
    found = looked(tmp_path, {"main.py": "print(f'loss: {x}')\n", ".venv/bin/python": ""})
    assert found.python == ".venv" and 'python = ".venv"' in init.contract(found)


@pytest.mark.parametrize("name", ["plain", "with space", "dots.and.more", "-dash", "Ünïcode", "a'quote\"s", "....", "x" * 200])
def test_whatever_the_folder_is_called_the_contract_is_one(tmp_path, name):
    folder = tmp_path / name
    found = looked(folder, {"main.py": "print(f'loss: {x}')\n"})
    made = spec.parse(init.contract(found))
    assert made.self_reported and made.metric.name == "loss"


def test_the_pattern_finds_what_the_script_prints(tmp_path):
    import re

    made = spec.parse(init.contract(looked(tmp_path, KARPATHY)))
    assert re.findall(made.metric.pattern, "---\nval_bpb:          0.997900\n", re.MULTILINE) == ["0.997900"]


@pytest.mark.parametrize("text", ["# autoresearch\n", "# autoresearch", "", "\r\nWindows\r\n"])
def test_a_program_that_is_there_keeps_its_text_and_gets_a_part_for_agents(tmp_path, text):
    found = looked(tmp_path, KARPATHY)
    (tmp_path / "program.md").write_bytes(text.encode())
    assert [p.name for p in init.write(tmp_path, found)] == ["track.toml", "program.md"]
    now = (tmp_path / "program.md").read_bytes().decode()
    assert now.startswith(text) and now.count("## For an agent") == 1
    assert program.load(tmp_path / "program.md").prose.strip() == text.replace("\r\n", "\n").strip()


def test_a_program_that_has_that_part_is_left_alone(tmp_path):
    found = looked(tmp_path, KARPATHY)
    init.write(tmp_path, found)
    before = (tmp_path / "program.md").read_bytes()
    assert [p.name for p in init.write(tmp_path, found)] == ["track.toml"]
    assert (tmp_path / "program.md").read_bytes() == before


def test_a_program_that_cannot_be_written_to_is_no_reason_to_fail(tmp_path):
    found = looked(tmp_path, {k: v for k, v in KARPATHY.items() if k != "program.md"} | {"program.md/x": ""})
    assert [p.name for p in init.write(tmp_path, found)] == ["track.toml"]


def test_a_program_is_written_where_there_is_none_and_tells_researchers_and_agents_apart(tmp_path):
    found = looked(tmp_path, {"main.py": "print(f'loss: {x}')\n"})
    assert [p.name for p in init.write(tmp_path, found)] == ["track.toml", "program.md"]
    assert f"overnight/{found.name}" in (tmp_path / "program.md").read_text()
    prose = program.load(tmp_path / "program.md").prose
    assert prose.startswith(f"# {found.name}") and "agent" not in prose.lower() and "-->" not in prose


@pytest.mark.night
def test_init_commits_nothing_and_says_what_to_do_next(tmp_path):
    folder = repository(tmp_path / "any", KARPATHY)
    before = git(folder, "rev-parse", "HEAD")
    said = overnight("init", folder).stdout
    assert "commit it" in said and "overnight check" in said and git(folder, "rev-parse", "HEAD") == before


@pytest.mark.night
def test_init_outside_a_repository_is_refused_and_writes_nothing(tmp_path):
    write(tmp_path, KARPATHY)
    assert "not in a git repository" in sentence(overnight("init", tmp_path))
    assert not (tmp_path / "track.toml").exists()


@pytest.mark.night
def test_from_init_to_a_first_night_takes_a_commit_and_a_command(tmp_path):
    folder = repository(tmp_path / "any", {"main.py": "RATE = 0.5\nprint(f'loss: {(RATE - 3) ** 2}')\n"})
    assert overnight("init", folder).returncode == 0
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "contract")
    done = overnight("run", folder, "--experiments", 1)
    assert done.returncode == 0 and "(self-reported)" in done.stdout


@pytest.mark.night
def test_nothing_is_written_through_a_link(tmp_path):
    outside = tmp_path / "outside"
    write(outside, {"rc": "mine\n"})
    folder = repository(tmp_path / "repo", {"main.py": "x = 1\nprint(f'loss: {x}')\n"})
    (folder / "program.md").symlink_to(outside / "rc")
    assert overnight("init", folder).returncode == 0
    assert (outside / "rc").read_text() == "mine\n"
    (folder / "track.toml").unlink()
    (folder / "track.toml").symlink_to(outside / "new")
    assert "track.toml" in sentence(overnight("init", folder))
    assert not (outside / "new").exists()


def test_a_file_s_name_says_nothing_but_its_name(tmp_path):
    with pytest.raises(TrackError, match="no Python file"):
        looked(tmp_path, {'a"]\n[run]\ndata = ["~"]#.py': "x = 1\nprint(f'loss: {x}')\n"})
