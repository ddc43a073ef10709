"""The agent researcher: real programs as agents, in the real sandbox."""

import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from overnight.contracts import Brief
from overnight.errors import Away, EditError, TrackError
from overnight.execution.mounts import interpreter
from overnight.researchers.agent import Agent, AgentWorkspace
from overnight.sandbox.unsandboxed import Unsandboxed
from overnight.testing.sandbox import processes
from overnight.track import spec
from overnight.track.load import load
from overnight.track.roles import Role
from overnight.track.spec import RunSpec

NEEDS = "sandbox"
CONTRACT = """\
[track]
name = "little"
goal = "a small x"
editable = ["settings.py", "more/*.py"]
[metric]
name = "loss"
direction = "minimize"
[run]
command = ["python", "run.py"]
memory = "256MiB"
[score]
command = ["python", "score.py"]
private = ["unseen.txt"]
"""
FILES = {"settings.py": "X = 1\n", "run.py": "import settings\nprint(settings.X)\n", "score.py": "", "more/a.py": "A = 1\n"}
PYTHON, MOUNTS = interpreter(RunSpec(command=("python",)), Path("/"))
GOOD = """
from pathlib import Path
Path("settings.py").write_text("X = 2\\n")
Path("OVERNIGHT.md").write_text("# Two is better than one\\n\\nBecause it is more.\\n")
"""


class Bench:
    """A tree with an agent in it, and what it takes to let that work."""

    def __init__(self, sandbox, folder):
        self.sandbox, self.folder = sandbox, folder
        self.tree = folder / "tree"
        for name, text in FILES.items():
            (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
            (self.tree / name).write_text(text)
        self.home = folder / "home"
        self.home.mkdir()
        self.commits = []

    def clean(self, commit):
        """The clean tree of a commit."""
        self.commits.append(commit)
        return self.tree

    def agent(self, script, *, command="python agent.py {brief}", prefix="", timeout=30.0, environ=None, mounts=(), secrets=(),
              resolve=None, recipes=None, model=""):
        """A researcher whose agent is a script."""
        (self.tree / prefix / "agent.py").write_text(script)
        if recipes is not None:
            own = self.home / ".config/overnight/recipes.toml"
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_text(recipes)
        workspace = AgentWorkspace(self.clean, self.folder / "scratch", prefix, PYTHON, (*MOUNTS, *mounts), secrets)
        role = Role("coder", "agent", agent=command, timeout=timeout, model=model)
        environ = {"HOME": str(self.home), "PATH": os.environ["PATH"]} | (environ or {})
        more = {} if resolve is None else {"resolve": resolve}
        return Agent(role, spec.parse(CONTRACT), self.sandbox, workspace, lambda brief: f"# The brief\n{brief.goal}\n", environ, **more)

    def proposes(self, script, **options):
        """What an agent of this script proposes."""
        return self.agent(script, **options).propose(brief())

    def refuses(self, script, error=EditError, **options):
        """The sentence with which its proposal was refused."""
        with pytest.raises(error) as caught:
            self.proposes(script, **options)
        assert str(caught.value).endswith(".") and "\n" not in str(caught.value)
        return str(caught.value)


def brief():
    """The smallest one."""
    return Brief("a small x", "loss", "minimize", {"settings.py": "X = 1\n"}, 0, None, (), "", 1, commit="c0")


@pytest.fixture
def bench(bubblewrap, tmp_path):
    return Bench(bubblewrap, tmp_path)


# ---- what is taken ---------------------------------------------------------------------------------------------


def test_an_agent_that_edits_well(bench):
    change = bench.proposes(GOOD)
    assert change.files == {"settings.py": "X = 2\n"}
    assert change.message == "Two is better than one\n\nBecause it is more."
    assert bench.commits[0] == "c0" and (bench.tree / "settings.py").read_text() == "X = 1\n"
    assert not list((bench.folder / "scratch").iterdir())


def test_it_finds_the_brief_as_a_file_and_as_its_standard_input(bench):
    read = "import sys; open('settings.py', 'w').write(repr({}))"
    assert "a small x" in bench.proposes(read.format("open(sys.argv[1]).read()")).files["settings.py"]
    said = bench.proposes(read.format("sys.stdin.read()"), command="python agent.py").files["settings.py"]
    assert "a small x" in said and "settings.py`, `more/*.py" in said and "python run.py" in said and "OVERNIGHT.md" in said


def test_new_deleted_and_changed_files_inside_the_boundary(bench):
    change = bench.proposes("import os; os.remove('more/a.py'); open('more/b.py', 'w').write('B')")
    assert change.files == {"more/a.py": None, "more/b.py": "B"}


def test_a_track_in_a_folder_of_its_repository(bench):
    (bench.tree / "sub").mkdir()
    (bench.tree / "sub/settings.py").write_text("X = 1\n")
    assert bench.proposes(GOOD, prefix="sub/").files == {"settings.py": "X = 2\n"}
    assert "settings.py, which is not editable" in bench.refuses("open('../settings.py', 'w').write('X')", prefix="sub/")


def test_what_running_the_code_leaves_behind_is_left_out(bench):
    script = GOOD + """
import os, subprocess, sys
assert subprocess.run(["python", "run.py"], capture_output=True, text=True).stdout == "2\\n"
os.makedirs("__pycache__"); open("__pycache__/x.pyc", "wb").write(bytes(9)); open("run.log", "w").write("2")
"""
    change = bench.proposes(script)
    assert change.files == {"settings.py": "X = 2\n"} and change.note == {"left out": ["run.log"]}


@pytest.mark.parametrize("script, why", [
    ("open('run.py', 'a').write('#')", "changed run.py, which is not editable"),
    ("import os; os.remove('score.py')", "changed score.py, which is not editable"),
    ("import os; os.remove('run.py'); os.symlink('/etc/passwd', 'run.py')", "changed run.py, which is not editable"),
    ("open('settings.py', 'wb').write(bytes(9))", "binary"),
    ("open('settings.py', 'wb').write(b'\\xff\\xfe')", "binary"),
    ("open('settings.py', 'w').write('x' * (3 << 20))", "larger than 2 MiB"),
    ("import os; os.remove('settings.py'); os.symlink('run.py', 'settings.py')", "a link"),
    ("import os; os.remove('settings.py'); os.mkfifo('settings.py')", "no file"),
    ("pass", "changed nothing"),
    ("open('notes.md', 'w').write('a plan'); print('I wrote a plan.')", "notes.md, which is not editable; it last said: I wrote a plan."),
    ("print('no credit left'); raise SystemExit(3)", "ended with status 3"),
    ("import os; os.kill(os.getpid(), 9)", "signal 9"),
    ("import os; os.kill(os.getppid(), 9)", "ended its own launcher"),
    ("x = [bytes(1 << 20) for _ in range(6 << 10)]", "status 1"),
    ("while True: print('x' * 9999)", "printed more than"),
])
def test_what_cannot_be_taken_is_refused_in_a_sentence(bench, script, why):
    assert why in bench.refuses(script)


def test_the_last_words_are_the_title_where_no_other_was_written(bench):
    change = bench.proposes("open('settings.py', 'w').write('X = 3\\n'); print('thinking\\n\\n\\x1b[31mSet X to three.\\x1b[0m\\nIt is odd.')")
    assert change.message == "Set X to three.\n\nIt is odd."


def test_a_megabyte_of_title_is_cut(bench):
    change = bench.proposes("open('settings.py', 'w').write('X = 3\\n'); open('OVERNIGHT.md', 'w').write('\\x1b]0;evil\\x07' + 'word ' * 200000)")
    title, _, why = change.message.partition("\n\n")
    assert len(title) <= 100 and len(why) <= 4000 and title.startswith("word word") and "\x1b" not in change.message


def test_without_a_sandbox_it_is_compared_just_the_same(tmp_path):
    bench = Bench(Unsandboxed(), tmp_path)
    assert bench.proposes(GOOD).files == {"settings.py": "X = 2\n"}
    assert "run.py, which is not editable" in bench.refuses("open('run.py', 'a').write('#')")


# ---- git -------------------------------------------------------------------------------------------------------


def test_there_is_a_repository_and_what_it_does_with_it_goes_nowhere(bench):
    change = bench.proposes("""
import os, subprocess
git = lambda *words: subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout
assert git("status", "--porcelain") == "" and git("log", "--format=%s") == "frontier\\n"
open("settings.py", "w").write("X = 2\\n")
git("commit", "-qam", "done by myself")
git("config", "core.hooksPath", "/tmp/hooks"); git("config", "--global", "core.fsmonitor", "touch /tmp/owned")
open(".gitattributes", "w").write("* filter=evil"); git("config", "filter.evil.clean", "touch owned")
open(".git/hooks/post-checkout", "w").write("#!/bin/sh\\ntouch owned"); os.chmod(".git/hooks/post-checkout", 0o755)
git("remote", "add", "origin", "ext::sh -c touch owned"); git("checkout", "-qb", "other")
""")
    assert change.files == {"settings.py": "X = 2\n"}
    assert not list(bench.home.iterdir()) and not (bench.tree / ".git").exists()


def test_a_proposal_lands_in_a_real_repository_without_its_hooks(bench, little, tmp_path):
    from conftest import git
    from overnight.contracts import Team
    from overnight.execution.desk import Desk
    from overnight.lab.jobs import Propose
    from overnight.repo import Repo

    repo, head = Repo(little), git(little, "rev-parse", "HEAD")

    def tree(commit):
        if not (tmp_path / commit).exists():
            repo.checkout(commit, tmp_path / commit)
            (tmp_path / commit / "agent.py").write_text(GOOD)
        return tmp_path / commit

    agent = bench.agent(GOOD)
    agent._workspace = AgentWorkspace(tree, tmp_path / "scratch", "", PYTHON, MOUNTS)
    empty = Brief("g", "loss", "minimize", {}, 0, None, (), "", 1)
    done = Desk(load(little), repo, Team({"coder": agent})).propose(Propose("coder", 0, head, empty))
    assert (done.foul, done.change.files) == ("", {"settings.py": "X = 2\n"})
    assert git(little, "show", "-s", "--format=%s", done.commit) == "Two is better than one"


# ---- time ------------------------------------------------------------------------------------------------------


def test_what_an_agent_that_never_ends_has_done_is_taken(bench):
    change = bench.proposes(GOOD + "\nimport signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)", timeout=1.0)
    assert change.files == {"settings.py": "X = 2\n"}


def test_one_that_never_ends_and_does_nothing_is_refused(bench):
    assert bench.refuses("while True: pass", timeout=1.0).startswith("the agent did not end within 1 s; the agent changed nothing")


def test_a_daemon_dies_before_the_files_are_looked_at(bench):
    mark = f"mark{os.getpid()}x{time.monotonic_ns()}"
    change = bench.proposes(f"""
import os, subprocess, sys
daemon = '''
import time  # {mark}
n = 0
while True:
    n += 1
    open("settings.py", "w").write("X = %d\\\\n" % n)
'''
subprocess.Popen([sys.executable, "-c", daemon], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
import time
while open("settings.py").read() in ("", "X = 1\\n"): time.sleep(0.01)
""")
    assert set(change.files) == {"settings.py"} and not processes(mark)


def test_two_at_once(bench):
    agent = bench.agent("import os, socket; open('settings.py', 'w').write(open(__import__('sys').argv[1]).read())")
    changes = {}

    def work(number):
        changes[number] = agent.propose(Brief(f"goal {number}", "loss", "minimize", {}, 0, None, (), "", number, commit="c0"))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(f"goal {n}" in changes[n].files["settings.py"] for n in range(2))


def test_one_at_work_can_be_stopped(bench):
    agent = bench.agent("import time; time.sleep(600)", timeout=600.0)
    stopper = threading.Timer(1.0, agent.stop)
    stopper.start()
    with pytest.raises(EditError, match="stopped from outside"):
        agent.propose(brief())
    stopper.join()


# ---- what it can see and reach ---------------------------------------------------------------------------------


def test_it_sees_no_home_no_other_key_no_repository_and_no_private_file(bench):
    (bench.home / "id_rsa").write_text("secret")
    (bench.folder / "unseen.txt").write_text("secret")
    script = """
import json, os
from pathlib import Path
seen = {
    "environ": dict(os.environ),
    "home": os.path.exists(HOME + "/id_rsa"),
    "own home": os.listdir(os.environ["HOME"]),
    "unseen": [str(p) for p in Path(".").rglob("unseen.txt")] + [p for p in UNSEEN if os.path.exists(p)],
    "etc": sorted(os.listdir("/etc")),
    "init": os.access("/proc/1/environ", os.R_OK),
    "parent": open(f"/proc/{os.getppid()}/environ", "rb").read().decode(),
}
open("settings.py", "w").write(json.dumps(seen))
""".replace("HOME +", repr(str(bench.home)) + " +").replace("UNSEEN", repr([str(bench.folder), str(bench.folder / "unseen.txt")]))
    recipes = '[mine]\ncommand = "python agent.py"\nkeys = ["MY_KEY"]\nfixed = { MODE = "quick" }\n'
    seen = json.loads(bench.proposes(script, command="mine", recipes=recipes,
                                     environ={"MY_KEY": "k1", "OTHER_KEY": "k2", "SSH_AUTH_SOCK": "/run/x"}).files["settings.py"])
    assert seen["environ"]["MY_KEY"] == "k1" and seen["environ"]["MODE"] == "quick"
    assert "k2" not in json.dumps(seen) and "SSH_AUTH_SOCK" not in seen["environ"]
    assert not seen["home"] and not seen["unseen"] and not seen["init"] and seen["own home"] in ([], [".gitconfig"])
    assert not {"shadow", "hostname", "machine-id"} & set(seen["etc"])


def test_it_gets_a_copy_of_what_its_recipe_names_of_the_home(bench):
    (bench.home / ".tool").mkdir()
    (bench.home / ".tool/auth.json").write_text("token")
    (bench.home / ".tool/other.json").write_text("not this")
    script = """
import os
login = os.environ["HOME"] + "/.tool/auth.json"
text = open(login).read() + str(os.listdir(os.environ["HOME"] + "/.tool"))
open(login, "w").write("mine")
open("settings.py", "w").write(text)
"""
    recipes = '[mine]\ncommand = "python agent.py"\nhome = [".tool/auth.json", ".tool/absent"]\n'
    assert bench.proposes(script, command="mine", recipes=recipes).files == {"settings.py": "token['auth.json']"}
    assert (bench.home / ".tool/auth.json").read_text() == "token"


@pytest.mark.parametrize("named", ["", ".overnight", ".overnight/journal.db", "."])
def test_a_recipe_opens_neither_the_home_nor_a_secret(bench, named):
    secret = bench.home / ".overnight"
    secret.mkdir()
    (secret / "journal.db").write_text("key")
    recipes = f'[mine]\ncommand = "python agent.py"\nmounts = ["{bench.home}/{named}"]\n'
    assert "narrower path" in bench.refuses(GOOD, TrackError, command="mine", recipes=recipes, secrets=(secret,))


def test_the_filter_and_the_limits_are_those_of_a_candidate(bench):
    script = """
import json, os, resource, socket
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
def tried(what):
    try:
        what()
        return "open"
    except OSError as error:
        return error.strerror
def reach(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(2)
        s.connect(address)
found = {
    "seccomp": status["Seccomp"], "new": status["NoNewPrivs"], "caps": status["CapEff"], "bound": status["CapBnd"],
    "raw": tried(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
    "packet": tried(lambda: socket.socket(17, socket.SOCK_RAW)),
    "vsock": tried(lambda: socket.socket(40, socket.SOCK_STREAM)),
    "world": tried(lambda: reach(socket.AF_INET, ("1.1.1.1", 443))),
    "usr": tried(lambda: open("/usr/owned", "w")),
    "nproc": resource.getrlimit(resource.RLIMIT_NPROC)[1], "data": resource.getrlimit(resource.RLIMIT_DATA)[1],
}
open("settings.py", "w").write(json.dumps(found))
"""
    found = json.loads(bench.proposes(script).files["settings.py"])
    assert (found["seccomp"], found["new"], int(found["caps"], 16)) == ("2", "1", 0)
    assert found["raw"] == found["packet"] == found["vsock"] == "Address family not supported by protocol"
    assert found["world"] == "Network is unreachable" and found["usr"] == "Read-only file system"
    assert found["nproc"] == 640 and found["data"] == 4 << 30


# ---- an agent that cannot work at all --------------------------------------------------------------------------


def test_a_program_that_is_not_installed_is_away(bench):
    assert "'no-such-agent' is not installed" in bench.refuses("", Away, command="no-such-agent --go")


def test_a_missing_key_is_away(bench):
    said = bench.refuses("", Away, command="claude")
    assert "'coder' has no key: set ANTHROPIC_API_KEY or" in said


def test_a_program_that_cannot_be_started_is_away(bench):
    broken = bench.home / "broken"
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    assert "cannot be started" in bench.refuses("", Away, command=str(broken))


def test_one_that_fails_three_times_in_a_row_rests(bench):
    agent = bench.agent("raise SystemExit('401: no credit')")
    for _ in range(2):
        with pytest.raises(EditError, match="401: no credit"):
            agent.propose(brief())
    with pytest.raises(Away, match="3 times in a row") as caught:
        agent.propose(brief())
    assert caught.value.wait == 60.0
    with pytest.raises(Away) as caught:
        agent.propose(brief())
    assert caught.value.wait == 120.0


@pytest.mark.parametrize("command, why", [("", "says no agent"), ("mytool '", "is no command"), ("acp:aider", "has no acp command")])
def test_an_agent_that_is_no_agent(bench, command, why):
    assert why in bench.refuses("", TrackError, command=command)


# ---- programs of all kinds -------------------------------------------------------------------------------------


def test_a_script_of_node_in_a_package_and_behind_a_link(bench):
    if not Path("/usr/bin/node").exists():
        pytest.skip("there is no node here")
    package = bench.home / "lib/node_modules/@maker/tool"
    (package / "node_modules/dep").mkdir(parents=True)
    (package / "node_modules/dep/index.js").write_text("module.exports = 'X = 7\\n'")
    (package / "cli.js").write_text("#!/usr/bin/env node\nrequire('fs').writeFileSync('settings.py', require('dep'))\n")
    (package / "cli.js").chmod(0o755)
    (bench.home / "bin").mkdir()
    (bench.home / "bin/tool").symlink_to("../lib/node_modules/@maker/tool/cli.js")
    path = f"{bench.home}/bin:{os.environ['PATH']}"
    assert bench.proposes("", command="tool", environ={"PATH": path}).files == {"settings.py": "X = 7\n"}


def test_a_script_of_a_virtual_environment(bench):
    made = bench.home / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True)
    site = next(made.glob("lib/python*/site-packages"))
    (site / "mytool.py").write_text("open('settings.py', 'w').write('X = 8\\n')\n")
    tool = made / "bin/mytool"
    tool.write_text(f"#!{made}/bin/python\nimport mytool\n")
    tool.chmod(0o755)
    (bench.home / "bin").mkdir()
    (bench.home / "bin/mytool").symlink_to(tool)
    assert bench.proposes("", command=f"{bench.home}/bin/mytool").files == {"settings.py": "X = 8\n"}


SHELL = "printf 'X = 9\\n' > settings.py\n"


@pytest.mark.parametrize("first", ["#!/bin/sh", "#!/bin/bash", "#!/bin/sh -e", "#! /bin/bash -eu", "#!/usr/bin/bash", "#!/usr/bin/env bash",
                                   "#!/usr/bin/env -S bash -eu", "#!/usr/bin/env -S A=1 bash", "#!/usr/bin/env -Sbash", "#!/bin/env sh",
                                   "#!/usr/bin/sh"])
def test_a_script_of_a_shell(bench, first):
    tool = bench.home / "tool"
    tool.write_text(f"{first}\n{SHELL}")
    tool.chmod(0o755)
    assert bench.proposes("", command=str(tool)).files == {"settings.py": "X = 9\n"}


def test_a_pipe_is_no_program(bench):
    os.mkfifo(bench.home / "tool", 0o755)
    bench.refuses("", (Away, EditError, TrackError), command=str(bench.home / "tool"), timeout=2.0)


@pytest.mark.parametrize("words", [("/bin/sh", "-c", SHELL), ("sh", "-c", SHELL), ("/usr/bin/env", "sh", "-c", SHELL)])
def test_a_shell_of_the_system_is_the_program(bench, words):
    assert bench.proposes("", command=shlex.join(words)).files == {"settings.py": "X = 9\n"}


def test_a_program_behind_an_alternative_of_the_system(bench):
    links = [link for link in Path("/etc/alternatives").glob("*") if link.is_file() and os.access(link, os.X_OK)]
    if not links:
        pytest.skip("there are no alternatives here")
    (bench.home / "tool").symlink_to(links[0])
    with contextlib.suppress(EditError, Away):  # whatever that program is, it can be shown to the agent
        bench.proposes("", command=str(bench.home / "tool"), timeout=2.0)


@pytest.mark.parametrize("interpreter", ["/proc/self/exe", "/dev/shm/gone", "/overnight/work/sh", "/proc/1/root/bin/sh"])
def test_an_interpreter_that_cannot_be_mounted_is_a_refusal_of_this_role_alone(bench, interpreter):
    tool = bench.home / "tool"
    tool.write_text(f"#!{interpreter}\n{SHELL}")
    tool.chmod(0o755)
    bench.refuses("", (Away, EditError, TrackError), command=str(tool))
    assert bench.proposes(GOOD).files == {"settings.py": "X = 2\n"}


def test_a_mount_of_a_recipe_that_cannot_be_shown_is_a_refusal_of_this_role_alone(bench):
    recipes = f'[odd]\ncommand = "{sys.executable} agent.py"\nmounts = ["/proc/self/mounts/x", "/proc/sys"]\n'
    said = bench.refuses(GOOD, (Away, EditError, TrackError), command="odd", recipes=recipes)
    assert "mount" in said or "program" in said


# ---- its way out -----------------------------------------------------------------------------------------------

CALLS = """
import json, os, socket, sys
from urllib.parse import urlsplit
def ask(what):
    proxy = urlsplit(os.environ["HTTPS_PROXY"])
    with socket.create_connection((proxy.hostname, proxy.port), 10) as s:
        s.sendall(f"CONNECT {what} HTTP/1.1\\r\\nHost: {what}\\r\\n\\r\\n".encode())
        head = b""
        while not head.endswith(b"\\r\\n\\r\\n") and (more := s.recv(1)): head += more
        if b" 200 " not in head: return head.decode().split("\\r\\n")[0]
        s.sendall(b"hello")
        s.shutdown(socket.SHUT_WR)
        return s.makefile("rb").read().decode()
"""


class Echo(threading.Thread):
    """A server on loopback that says what it heard; `heard` holds what clients sent, `gone` is set when one has hung up."""

    def __init__(self):
        super().__init__(daemon=True)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.heard, self.gone = [], threading.Event()
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with client:
                said = b""
                while more := client.recv(4096):
                    said += more
                self.heard.append(said)
                client.sendall(b"heard " + said)
            self.gone.set()

    def close(self):
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.join()


@pytest.fixture
def echo():
    server = Echo()
    yield server
    server.close()


def gated(bench, script, hosts, **options):
    """What an agent with these hosts finds."""
    recipes = f'[mine]\ncommand = "python agent.py"\nhosts = {json.dumps(hosts)}\n'
    script = f"{CALLS}\nopen('settings.py', 'w').write(json.dumps({script}))"
    return bench.agent(script, command="mine", recipes=recipes, **options).propose(brief())


def test_an_allowed_host_is_reached_and_another_is_not(bench, echo):
    other = Echo()
    change = gated(bench, f"[ask('127.0.0.1:{echo.port}'), ask('127.0.0.1:{other.port}'), ask('example.com:443')]",
                   [f"127.0.0.1:{echo.port}"])
    other.close()
    assert json.loads(change.files["settings.py"]) == ["heard hello", *2 * ["HTTP/1.1 403 this host is not allowed"]]
    assert echo.heard == [b"hello"] and other.heard == []
    assert change.note["refused hosts"] == [f"127.0.0.1:{other.port}", "example.com:443"]


def test_the_hosts_own_loopback_is_another_than_the_agents(bench, echo):
    script = f"""[(lambda s: s.connect_ex(('127.0.0.1', {echo.port})))(socket.socket())]"""
    assert json.loads(gated(bench, script, ["api.example.com"]).files["settings.py"]) == [111]


def test_names_that_lead_home_and_other_spellings_of_addresses_are_refused(bench, echo):
    addresses = {"api.example.com": ["127.0.0.1"], "meta.example.com": ["169.254.169.254"], "lan.example.com": ["192.168.0.1"],
                 "mapped.example.com": ["::ffff:127.0.0.1"], "none.example.com": []}
    port = echo.port
    spellings = [f"2130706433:{port}", f"0x7f.0.0.1:{port}", f"127.1:{port}", f"[::1]:{port}", f"[::ffff:127.0.0.1]:{port}",
                 f"api.example.com.:{port}", f"127.0.0.1:{port}", f"user@api.example.com:{port}", f"api.example.com:{port}:443",
                 "api.example.com", f"localhost:{port}", f"api.example.com%00:{port}"]
    asked = [f"{name}:{port}" for name in addresses] + spellings
    change = gated(bench, f"[ask(each) for each in {asked!r}]", [f"{name}:{port}" for name in addresses],
                   resolve=lambda host, port: addresses[host])
    assert all(answer.split()[1] in ("403", "502") for answer in json.loads(change.files["settings.py"])), change
    assert echo.heard == []


def test_a_name_is_looked_up_once_for_a_connection(bench, echo):
    asked = []

    def rebinds(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) > 1 else ["192.0.2.1"]

    change = gated(bench, f"[ask('api.example.com:{echo.port}'), ask('api.example.com:{echo.port}')]", [f"api.example.com:{echo.port}"],
                   resolve=rebinds)
    assert json.loads(change.files["settings.py"]) == 2 * ["HTTP/1.1 502 the host cannot be reached"]
    assert len(asked) == 2 and echo.heard == []


def test_the_gate_speaks_connect_alone(bench, echo):
    script = f"""[(lambda s: (s.sendall(b'GET http://127.0.0.1:{echo.port}/ HTTP/1.1\\r\\n\\r\\n'), s.makefile().readline())[1])(
        socket.create_connection(('127.0.0.1', int(os.environ['HTTPS_PROXY'].rpartition(':')[2]))))]"""
    change = gated(bench, script, [f"127.0.0.1:{echo.port}"])
    assert json.loads(change.files["settings.py"]) == ["HTTP/1.1 405 only CONNECT is known here\n"] and echo.heard == []


def test_a_server_without_encryption_is_reached_by_a_port_inside(bench, echo):
    script = """
import os, socket
from urllib.parse import urlsplit
url = urlsplit(os.environ["MY_BASE"])
with socket.create_connection((url.hostname, url.port)) as s:
    s.sendall(b"hello")
    s.shutdown(socket.SHUT_WR)
    open("settings.py", "w").write(s.makefile().read() + url.path)
"""
    recipes = '[mine]\ncommand = "python agent.py"\nkeys = ["MY_KEY"]\nurls = ["MY_BASE"]\n'
    change = bench.proposes(script, command="mine", recipes=recipes, environ={"MY_BASE": f"http://127.0.0.1:{echo.port}/v1"})
    assert change.files == {"settings.py": "heard hello/v1"}


def test_the_gate_dies_with_the_agent(bench, echo):
    before = threading.active_count()
    hold = """
def hold(what):
    proxy = urlsplit(os.environ["HTTPS_PROXY"])
    global kept
    kept = socket.create_connection((proxy.hostname, proxy.port), 10)
    kept.sendall(f"CONNECT {what} HTTP/1.1\\r\\n\\r\\n".encode())
    assert b"200" in kept.recv(100)
    kept.sendall(b"still here")
"""
    recipes = f'[mine]\ncommand = "python agent.py"\nhosts = ["127.0.0.1:{echo.port}"]\n'
    work = f"""
hold('127.0.0.1:{echo.port}')
__import__('subprocess').Popen(['sleep', '600'], start_new_session=True)
open('settings.py', 'w').write('X = 2')
"""
    bench.proposes(CALLS + hold + work, command="mine", recipes=recipes)
    assert echo.gone.wait(5) and echo.heard == [b"still here"]
    assert threading.active_count() == before


def test_a_model_that_cannot_be_reached_makes_it_rest(bench):
    def offline(host, port):
        raise OSError(-3, "Temporary failure in name resolution")

    recipes = '[mine]\ncommand = "python agent.py"\nhosts = ["api.example.com"]\n'
    agent = bench.agent(f"{CALLS}\nask('api.example.com:443')\nraise SystemExit(1)", command="mine", recipes=recipes, resolve=offline)
    with pytest.raises(Away, match="no way to its model: api.example.com cannot be looked up") as caught:
        agent.propose(brief())
    assert caught.value.wait == 300.0
