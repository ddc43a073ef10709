"""`overnight init`: what it finds out, and that the contract which it writes is one."""

import pytest

from conftest import git, overnight, repository, sentence, write
from overnight.errors import TrackError
from overnight.patterns import compiled
from overnight.track import init, program, spec

KARPATHY = {"program.md": "# autoresearch\n", "prepare.py": "print('data')\n",
            "train.py": "loss = 0.9\nprint('---')\nprint(f\"val_bpb:          {loss:.6f}\")\n"}


def detected(folder, name="loss", **fields):
    told = {"goal": "g", "editable": ("main.py",), "number": init.unseen(name), "direction": "minimize", "command": ("python", "main.py")}
    return init.DetectedProject(**{"name": init.slug(folder)} | told | fields)


def test_karpathys_layout_is_known():
    assert init.karpathy(KARPATHY)


@pytest.mark.parametrize("missing", sorted(KARPATHY))
def test_a_layout_without_one_of_its_files_is_another(missing):
    assert not init.karpathy({k: v for k, v in KARPATHY.items() if k != missing})


@pytest.mark.parametrize(("text", "there", "needs"), [("x.to('cuda')", False, True), ("x.to('cuda')", True, True), ("x = 1", True, False),
                                                       ("'cuda' if torch.cuda.is_available() else 'cpu'", False, False)])
def test_a_program_needs_a_gpu_where_it_does_not_ask_for_one(text, there, needs):
    assert init.needs_gpus({"train.py": text}, there) is needs


@pytest.mark.parametrize(("line", "name"), [
    ("print(f'val_loss: {x}')", "val_loss"), ("print(f'accuracy={x:.3f}')", "accuracy"), ("logging.info(f'f1 : {x}')", "f1"),
    ("print( f\"tokens_per_second: {x}\", flush=True)", "tokens_per_second"), ("sys.stdout.write(f'latency_ms: {x}\\n')", "latency_ms"),
])
def test_what_a_text_would_print_is_read_where_it_cannot_run(line, name):
    assert list(init.said(line)) == [name]


def test_an_unknown_direction_is_asked():
    with pytest.raises(TrackError, match="--direction minimize or --direction maximize"):
        init.pointed(init.unseen("widgets"), None)
    assert init.pointed(init.unseen("widgets"), "maximize") == "maximize" and init.pointed(init.unseen("val_loss"), None) == "minimize"


def test_the_projects_own_virtual_environment_is_used(tmp_path):
    write(tmp_path, {".venv/bin/python": ""})
    assert init.environment(tmp_path) == ".venv" and 'python = ".venv"' in init.contract(detected(tmp_path, python=".venv"))


@pytest.mark.parametrize("name", ["plain", "with space", "dots.and.more", "-dash", "Ünïcode", "a'quote\"s", "....", "x" * 200])
def test_whatever_the_folder_is_called_the_contract_is_one(tmp_path, name):
    made = spec.parse(init.contract(detected(tmp_path / name)))
    assert made.self_reported and made.metric.name == "loss"


def test_a_track_is_called_by_its_folder_in_ascii(tmp_path):
    assert [init.slug(tmp_path / name) for name in ("projéct", "a b.c", "模型", "Ünï")] == ["project", "a-b-c", "track", "Uni"]


@pytest.mark.parametrize("name", ["val_bpb", "top-1 (%)", "it's", 'a"b', "tab\t", "a\\b", "R^2", "f{1}", "Genauigkeit é"])
def test_whatever_a_number_is_called_its_contract_finds_it(tmp_path, name):
    made = spec.parse(init.contract(detected(tmp_path, name)))
    assert made.metric.name == name
    assert [m[1] for m in compiled(made.metric.pattern, lines=True).finditer(f"---\n{name}:     0.9979\n")] == ["0.9979"]


@pytest.mark.parametrize("text", ["# autoresearch\n", "# autoresearch", "", "\r\nWindows\r\n"])
def test_a_program_that_is_there_keeps_its_text_and_gets_a_part_for_agents(tmp_path, text):
    found = detected(tmp_path)
    (tmp_path / "program.md").write_bytes(text.encode())
    assert [p.name for p in init.write(tmp_path, found)] == ["track.toml", "program.md"]
    now = (tmp_path / "program.md").read_bytes().decode()
    assert now.startswith(text) and now.count("## For an agent") == 1
    assert program.load(tmp_path / "program.md").prose.strip() == text.replace("\r\n", "\n").strip()


def test_a_program_that_has_that_part_is_left_alone(tmp_path):
    found = detected(tmp_path)
    init.write(tmp_path, found)
    before = (tmp_path / "program.md").read_bytes()
    assert [p.name for p in init.write(tmp_path, found)] == ["track.toml"]
    assert (tmp_path / "program.md").read_bytes() == before


def test_a_program_that_cannot_be_written_to_is_no_reason_to_fail(tmp_path):
    write(tmp_path, {"program.md/x": ""})
    found = detected(tmp_path)
    assert [p.name for p in init.write(tmp_path, found)] == ["track.toml"]


def test_a_program_is_written_where_there_is_none_and_tells_researchers_and_agents_apart(tmp_path):
    found = detected(tmp_path)
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


@pytest.mark.night
def test_a_file_s_name_says_nothing_but_its_name(tmp_path):
    folder = repository(tmp_path / "any", {'a"]\n[run]\ndata = ["~"]#.py': "x = 1\nprint(f'loss: {x}')\n"})
    assert "say what to run" in sentence(overnight("init", folder))
