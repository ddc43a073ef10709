"""Links in the tree: what the contract, the program and the editable globs name leads out of the repository."""

from conftest import LITTLE
from hostile.attack import Attacks
from hostile.suite import Harmless

ATTACKS = attack = Attacks()
COMMAND = 'command = ["python", "-S", "-E", "score.py"]\n'
READS_HOLDOUT = """\
import json, os
path = os.environ.get("OVERNIGHT_HOLDOUT", "h.txt")
print(json.dumps({"loss": float(open(path).read()) if os.path.exists(path) else 1.0}))
"""
PRINTS = "loss = 1\nprint(f'val_loss: {loss}')\n"


class TestLinks(Harmless):
    """Each of these links is in a commit, as a clone brings it."""


def reads(name):
    """A control: whoever follows the link from the repository reads the secret."""
    return lambda scene: scene.file_digits in scene.plainly("cat", name)


def private(scene, path):
    scene.contract((COMMAND, f'{COMMAND}private = ["{path}"]\n'))


@attack("run", "trust", says="behind a link", control=reads("d/Documents/thesis.txt"))
def private_folder_behind_the_kernel_s_link(scene):
    """The victim's documents are removed through /proc/self/cwd as a private folder of the track"""
    scene.link("d", "/proc/self/cwd/../..")
    private(scene, "d/Documents")


@attack("run", says="behind a link", control=reads("d/Documents/thesis.txt"))
def private_folder_behind_a_link(scene):
    """The victim's documents are removed as a private folder of the track"""
    scene.link("d", "../..")
    private(scene, "d/Documents")


@attack("run", says="is a link")
def private_folder_is_a_link(scene):
    """The victim's documents are moved aside as a private folder of the track"""
    scene.link("d", "../../Documents")
    private(scene, "d")


@attack("try", says="is a link", control=reads("h.txt"))
def holdout_is_a_link(scene):
    """A key is scored as the holdout, and its bytes come out as the metric"""
    scene.link("h.txt", "../../.ssh/id_ed25519")
    scene.contract((COMMAND, f'{COMMAND}holdout = "h.txt"\n'), **{"score.py": READS_HOLDOUT})


@attack("trust", "run", "brief", says="no plain file", control=reads("track.toml"))
def contract_is_a_link(scene):
    """A key is read as the contract, and its words come out in the error"""
    scene.link("track.toml", "../../.ssh/id_ed25519")


@attack("trust", "run", "brief", says="program.md", control=reads("program.md"))
def program_is_a_link(scene):
    """A document is read as the program, and printed into the page for models"""
    scene.link("program.md", "../../Documents/secret.md")


@attack("trust", "run", "brief", says="leads out of the folder", control=reads("role.md"))
def prose_is_a_link(scene):
    """A document is read as a role's prose, and sent to a model"""
    scene.link("role.md", "../../Documents/secret.md")
    scene.commit({"program.md": "---\nroles:\n  a: {kind: llm, prose: role.md}\n---\n"})


@attack("trust", "run", says="leads out of the folder")
def patches_are_a_link(scene):
    """The victim's keys are read as a folder of patches"""
    scene.link("patches", "../../.ssh")
    scene.commit({"program.md": "---\nroles:\n  a: {kind: replay, folder: patches}\n---\n"})


@attack("try", "brief", control=reads("settings.py"))
def editable_file_is_a_link(scene):
    """A key is read as the file that may be edited, or written to as a candidate's file"""
    scene.link("settings.py", "../../.ssh/id_ed25519")


@attack("try", "brief", control=reads("pkg/thesis.txt"))
def editable_file_behind_a_link(scene):
    """A document is read as a file that may be edited, behind a linked folder"""
    scene.link("pkg", "../../Documents")
    scene.contract(('editable = ["settings.py"]', 'editable = ["settings.py", "pkg/*"]'))


@attack("run", says="not ready")
def scorer_is_a_link(scene):
    """A program of the victim's becomes the scorer"""
    scene.link("score.py", "../../Documents/thesis.txt")


@attack("run", says="not ready")
def run_is_a_link(scene):
    """A candidate's program is a link to what lies on the host"""
    scene.link("run.py", "../../.ssh/id_ed25519")


@attack("run", "trust", says="not granted", control=reads("data/id_ed25519"))
def data_is_a_link(scene):
    """The victim's keys are mounted as the repository's own data"""
    scene.link("data", "../../.ssh")
    scene.contract(("[run]\n", '[run]\ndata = ["data"]\n'), **{"run.py": "print(open('data/id_ed25519').read())\n"})


@attack("run", "trust", says="not granted")
def interpreter_behind_a_link(scene):
    """A virtual environment that is a link has all of its target mounted"""
    scene.link("venv", "../../env")
    environment = scene.home / "env"
    (environment / "bin").mkdir(parents=True)
    (environment / "lib/python3").mkdir(parents=True)
    scene.program(environment / "bin/python")
    scene.contract(("[run]\n", '[run]\npython = "venv/bin/python"\n'))


@attack("init", says="is a link")
def contract_that_init_writes_is_a_link(scene):
    """`init` writes the contract into a new file of the victim's home"""
    scene.repo.joinpath("run.py").write_text(PRINTS)
    scene.link("track.toml", "../../.bash_login")


@attack("init", says="wrote track.toml", control=reads("program.md"))
def program_that_init_writes_is_a_link(scene):
    """`init` adds its part for agents to a file of the victim's"""
    scene.repo.joinpath("run.py").write_text(PRINTS)
    scene.link("program.md", "../../Documents/secret.md")
    (scene.repo / "track.toml").unlink()


@attack("init", says="no plain file", control=reads("train.py"))
def entry_that_init_reads_is_a_link(scene):
    """`init` reads a key as the code that prints the metric"""
    (scene.repo / "track.toml").unlink()
    (scene.repo / "run.py").unlink()
    scene.link("train.py", "../../.ssh/id_ed25519")


@attack("report", "brief")
def link_that_leads_to_itself(scene):
    """A walk through the tree goes round for ever"""
    scene.link("loop", "loop")
    scene.link("around", ".")
    scene.contract(('editable = ["settings.py"]', 'editable = ["**"]'))


@attack("run", "merge")
def notes_are_links(scene):
    """The names of reports, in the tree, lead into the victim's home"""
    for name in ("results.tsv", "report.md", "progress.svg", "progress.png", "card.png", "report.html", "state.snapshot",
                 "lock", "report", "branch"):
        scene.link(name, "../../.bashrc")


assert LITTLE["track.toml"].count(COMMAND) == 1
