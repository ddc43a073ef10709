"""Warm starts: what every sandbox must do, done in forks of one process; then what they must do besides."""

import gc
import hashlib
import json
import os
import signal
import threading
from contextlib import closing
from pathlib import Path

import numpy
import pytest

from conftest import home, repository
from overnight.contracts import Limits, Warm
from overnight.errors import Fault, TrackError
from overnight.execution.runner import Runner
from overnight.lab.jobs import Measure
from overnight.repo import Repo
from overnight.sandbox import watch
from overnight.sandbox.unsandboxed import Unsandboxed
from overnight.sandbox.warm.zygote import _key
from overnight.testing.containment import Contains
from overnight.testing.sandbox import Behaves, Ground, zombies
from overnight.testing.warm import AlwaysWarm
from overnight.track import spec

NEEDS = "sandbox"
WARM = Warm(("json", "socket"))
BEYOND = Warm(("json", "socket"), (), Limits(memory=1))  # with inputs where none of it sees them: each imports for itself


@pytest.fixture(scope="module")
def warm(bubblewrap):
    box = AlwaysWarm(bubblewrap)
    said = []
    bubblewrap.say = said.append
    yield box
    box.cool([WARM, BEYOND])
    assert not said and not bubblewrap._zygotes._all


class TestWarm(Behaves, Contains):
    """Bubblewrap's rules, in forks."""

    @pytest.fixture
    def ground(self, warm, tmp_path):
        return Ground(warm, tmp_path)


    def test_it_is_forked_and_finds_imported_what_it_names(self, ground, warm):
        before = warm.used
        assert ground.says("import sys; print('socket' in sys.modules, 'decimal' in sys.modules)") == "True False"
        assert warm.used == before + 1

    def test_a_tree_that_is_larger_than_it_may_be_is_no_fault_of_the_machine(self, ground):
        (ground.tree / "large").write_bytes(bytes(3 << 20))
        ended = ground.run("print(1)", Limits(disk=1 << 20))
        assert (ended.killed, ended.stdout) == ("disk", b"")

    def test_the_whole_tree_arrives(self, ground):
        (ground.tree / "deep" / "er").mkdir(parents=True)
        (ground.tree / "deep/er/run").write_text("#!/bin/sh\necho ran\n")
        (ground.tree / "deep/er/run").chmod(0o755)
        (ground.tree / "link").symlink_to("deep/er/run")
        (ground.tree / "bytes").write_bytes(bytes(range(256)) * 5000)
        os.utime(ground.tree / "bytes", ns=(10**18, 10**18 + 7))
        assert ground.says("""
            import hashlib, os, subprocess
            print(os.readlink("link"), subprocess.check_output("./link").decode().strip(), os.stat("bytes").st_mtime_ns,
                  hashlib.sha256(open("bytes", "rb").read()).hexdigest())
        """) == f"deep/er/run ran {10**18 + 7} {hashlib.sha256(bytes(range(256)) * 5000).hexdigest()}"


LOOK = """
import json, os, resource, signal, sys
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
mounts = []
for line in open("/proc/self/mountinfo"):
    before, _, after = line.partition(" - ")
    place, options = before.split()[4:6]
    kind, _, more = after.split(" ", 2)
    if place not in ("/proc/bus", "/proc/irq"):  # where bubblewrap covers them as root, for it could write there
        mounts.append((place, sorted(set(options.split(",")) - {"relatime"}), kind, [o for o in more.strip().split(",") if o.startswith("size")]))
print(json.dumps({
    "argv": sys.argv, "path": sys.path, "name": __name__, "file": __file__, "folder": os.getcwd(), "pid": os.getpid(),
    "environment": {k: v for k, v in os.environ.items()}, "flags": str(sys.flags), "executable": sys.executable,
    "original": sys.orig_argv, "main": sorted(vars(sys.modules["__main__"]))[:6], "mask": os.umask(0o77),
    "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource)
               if name.startswith("RLIMIT_") and name != "RLIMIT_NPROC"},  # one more, for the first process is of the same user
    "groups": os.getgroups(), "cores": sorted(os.sched_getaffinity(0)), "host": os.uname().nodename,
    "status": {k: status[k].strip() for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
               "SigBlk", "SigIgn", "SigCgt", "Threads", "CoreDumping", "THP_enabled")},
    "mounts": sorted(mounts), "root": sorted(os.listdir("/")), "devices": sorted(os.listdir("/dev")), "etc": sorted(os.listdir("/etc")),
    "own": sorted(os.listdir("/overnight")), "group": open("/proc/self/cgroup").read(), "tmp": os.listdir("/tmp"), "passwd": open("/etc/passwd").read().count(str(os.getuid())),
    "modes": [oct(os.stat(place).st_mode) for place in ("/", "/tmp", "/dev/shm", "/overnight", "/overnight/work", "/overnight/work/tree",
              "/overnight/out", "/etc/passwd", "train.py")],
    "open": sorted(os.listdir("/proc/self/fd"))[:-1], "session": os.getsid(0) != os.getpid(), "hash": hash("x"),
    "encodings": [sys.stdout.encoding, sys.stdin.encoding, sys.getfilesystemencoding()], "buffered": sys.stdout.line_buffering,
    "dumpable": os.access("/proc/self/environ", os.R_OK), "nice": os.nice(0), "others": [p for p in os.listdir("/proc") if p.isdigit()],
}, sort_keys=True))
"""


def test_a_program_finds_what_it_finds_when_it_starts_cold(bubblewrap, tmp_path):
    ground = Ground(bubblewrap, tmp_path)
    (ground.tree / "train.py").write_text(LOOK)
    given = {"env": {"PYTHONHASHSEED": "0", "OVERNIGHT_SEED": "3", "PATH": "/usr/bin"}}
    plain, forked = (json.loads(ground.says((ground.python, "train.py", "--seed", "$OVERNIGHT_SEED"), warm=warm, **given))
                     for warm in (None, Warm(("json",))))
    bubblewrap.cool([Warm(("json",))])
    assert {name: (plain[name], forked[name]) for name in plain if plain[name] != forked[name]} == {}


# ---- programs --------------------------------------------------------------------------------------------------

PROGRAMS = {
    "a module": (("-m", "pack.tool", "x"), {"pack/__init__.py": "", "pack/tool.py": "import sys; print(__name__, __spec__.name, sys.argv)"}),
    "a text": (("-c", "import sys; print(__name__, sys.argv, sys.path[0])", "x"), {}),
    "a folder": (("app",), {"app/__main__.py": "import sys, beside; print(__name__, sys.path[0], beside.x)", "app/beside.py": "x = 1"}),
    "unbuffered": (("-u", "train.py"), {"train.py": "import os, sys; print('said', end=''); print(sys.stdout.write_through, end='')\n"
                                                    "os._exit(0)"}),
    "its own module comes first": (("train.py",), {"train.py": "import socket; print(socket.mine)", "socket.py": "mine = 1"}),
    "what it imports lies beside it": (("sub/train.py",), {"sub/train.py": "import beside; print(beside.x)", "sub/beside.py": "x = 2"}),
    "it is missing": (("nothing.py",), {}),
    "it cannot be read as Python": (("train.py",), {"train.py": "x = = 1\n"}),
    "an error": (("train.py",), {"train.py": "def f():\n    raise ValueError('no')\nf()\n"}),
    "an error of the system": (("train.py",), {"train.py": "open('/nowhere')\n"}),
    "a status": (("train.py",), {"train.py": "import sys; sys.exit(7)"}),
    "words as a status": (("train.py",), {"train.py": "import sys; sys.exit('why')"}),
    "what is to be done at its end": (("train.py",), {"train.py": "import atexit, threading, time\natexit.register(print, 'end')\n"
                                      "threading.Thread(target=lambda: (time.sleep(.1), print('thread'))).start()"}),
    "processes of its own": (("train.py",), {"train.py": "import multiprocessing\ndef f(x): return x + 1\nif __name__ == '__main__':\n"
                             "    for kind in ('fork', 'spawn'):\n        with multiprocessing.get_context(kind).Pool(1) as pool:\n"
                             "            print(kind, pool.map(f, [1, 2]))"}),
    "what it prints goes elsewhere as well": (("train.py",), {"train.py": "import sys\nclass Tee:\n    def __init__(self, to): self.to = to\n"
        "    def write(self, text): self.to.write(text)\n    def flush(self): self.to.flush()\nsys.stdout = Tee(sys.stdout)\nprint('told')\n"}),
    "its output under another encoding": (("train.py",), {"train.py": "import io, sys\n"
        "sys.stdout = io.TextIOWrapper(sys.stdout.detach(), 'utf-16')\nprint('told')\n"}),
    "a daemon thread that waits for ever": (("train.py",), {"train.py": "import os, threading\nread, write = os.pipe()\n"
        "file = open(write, 'wb')\nthreading.Thread(target=lambda: (file.write(bytes(1 << 20)), file.flush()), daemon=True).start()\n"
        "print('told')\nos.set_inheritable(read, True)\n"}),
    "an object whose state cannot be asked": (("train.py",), {"train.py": "import io\nclass Odd(io.IOBase):\n"
        "    closed = property(lambda self: 1 / 0)\nimport sys\nsys.kept = Odd()\nsys.kept.self = sys.kept\nprint('told')\n"}),
    "a signal to all of its group": (("train.py",), {"train.py": "import os, signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "os.kill(0, signal.SIGINT)\nprint('goes on')\n"}),
    "a module of a folder that is imported from": (("train.py",), {"train.py": "import sys\nsys.path.insert(0, 'lib')\nimport colorsys\n"
                                                   "print(colorsys.mine)", "lib/colorsys.py": "mine = 1"}),
    "a file that it leaves open": (("train.py",), {"train.py": "import os, sys\nfile = open('/tmp/x', 'w')\nfile.write('kept')\n"
                                   "class Last:\n    def __del__(self): os.write(1, b'last ')\nlast = Last()\n"
                                   "import subprocess\nsubprocess.Popen(['sh', '-c', 'sleep .3; cat /tmp/x'])\n"}),
    "pickles of its own classes": (("train.py",), {"train.py": "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))))"}),
}


@pytest.mark.parametrize("what", PROGRAMS)
def test_a_program_does_what_it_does_when_it_starts_cold(bubblewrap, warm, tmp_path, what):
    words, files = PROGRAMS[what]
    ground = Ground(bubblewrap, tmp_path)
    for path, text in files.items():
        (ground.tree / path).parent.mkdir(parents=True, exist_ok=True)
        (ground.tree / path).write_text(text)
    given = {"warm": None, "env": {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}}
    plain = ground.run((ground.python, *words), **given)
    forked = ground.run((ground.python, *words), **given | {"warm": WARM})
    imported = ground.run((ground.python, *words), **given | {"warm": BEYOND}, inputs=tmp_path)
    for ended in (forked, imported):
        assert (ended.code, ended.stdout, ended.stderr) == (plain.code, plain.stdout, plain.stderr)
        assert ended.startup > 0
    assert plain.stdout or plain.stderr or plain.code


# ---- nothing is carried over -----------------------------------------------------------------------------------

LEAVES = """
import builtins, gc, json, os, socket, subprocess, sys, threading, time
seen = [name for name in ("left", ) if hasattr(builtins, name) or hasattr(json, name) or name in os.environ]
seen += [place for place in ("/tmp/left", "/dev/shm/left", "left", os.environ["OVERNIGHT_OUT"] + "/left") if os.path.exists(place)]
seen += [p for p in os.listdir("/proc") if p.isdigit() and int(p) > 2]
seen += [str(len(threading.enumerate()))] if len(threading.enumerate()) > 1 else []
print(seen, flush=True)
builtins.left = json.left = 1
json.dumps = None
os.environ["left"] = "1"
for place in ("/tmp/left", "/dev/shm/left", "left", os.environ["OVERNIGHT_OUT"] + "/left"):
    open(place, "w").write("x")
server = socket.socket(socket.AF_UNIX)
server.bind(chr(0) + "left")
subprocess.Popen(["sh", "-c", "trap '' TERM HUP; setsid sleep 100 & sleep 100"])
threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
sys.setrecursionlimit(50)
os.chdir("/")
os.umask(0)
os._exit(int(os.environ["OVERNIGHT_SEED"]) % 2)
"""


def test_nothing_lives_from_one_to_the_next(bubblewrap, warm, tmp_path):
    ground = Ground(bubblewrap, tmp_path)
    (ground.tree / "train.py").write_text(LEAVES)
    for seed in range(6):
        ended = ground.run((ground.python, "train.py"), warm=WARM, env={"OVERNIGHT_SEED": str(seed)})
        assert (ended.code, ended.stdout.decode()) == (seed % 2, "[]\n"), ended.stderr


def test_draws_without_a_seed_differ_and_hashes_do_not(bubblewrap, warm, tmp_path):
    ground = Ground(bubblewrap, tmp_path)
    drawing = Warm(("random", "numpy.random", "uuid", "tempfile"))
    (ground.tree / "train.py").write_text(
        "import json, os, random, sys, tempfile, uuid, numpy\n"
        "print(json.dumps([[random.random(), numpy.random.random(), numpy.random.default_rng().random(), str(uuid.uuid4()), "
        "os.urandom(4).hex(), tempfile.mkdtemp()], hash('x')]))")
    said = [json.loads(ground.says((ground.python, "train.py"), warm=drawing, **numpy_mounted(ground)))
            for _ in range(3)]
    bubblewrap.cool([drawing])
    assert len({hashed for _, hashed in said}) == 1
    assert all(len(set(draws)) == 3 for draws in zip(*(drawn for drawn, _ in said), strict=True))


# ---- what cannot be kept warm ----------------------------------------------------------------------------------

REFUSED = {
    "missing": ("no_such_module", "'no_such_module' cannot be imported (ModuleNotFoundError: No module named 'no_such_module'): "
                "correct it, or take it out"),
    "crashes": ("crashing", "'crashing' cannot be imported (ValueError: not today): correct it, or take it out"),
    "kills Python": ("aborting", "importing 'aborting' ends Python (signal 6): take it out"),
    "leaves Python": ("going", "importing 'going' ends Python (status 4): take it out"),
    "ends Python": ("leaving", "'leaving' cannot be imported (SystemExit: 3): correct it, or take it out"),
    "begins threads": ("threading_on", "importing 'threading_on' begins 2 threads, which no warm start can carry over: take it out"),
    "keeps a file": ("holding", "importing 'holding' keeps a file open (/tmp/held), which no warm start can carry over: take it out"),
}
MODULES = {"aborting": "import os; os.abort()", "going": "import os; os._exit(4)", "crashing": "raise ValueError('not today')", "leaving": "import sys; sys.exit(3)",
           "threading_on": "import threading, time\nfor _ in range(2): threading.Thread(target=time.sleep, args=(99,), daemon=True).start()",
           "holding": "held = open('/tmp/held', 'w')"}


@pytest.fixture
def library(tmp_path):
    """Options of a command whose Python finds these modules."""
    place = tmp_path / "library"
    place.mkdir()
    for name, text in MODULES.items():
        (place / f"{name}.py").write_text(text)
    return {"env": {"PYTHONPATH": str(place)}, "mounts": place}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_kept_warm_is_the_contracts_to_mend(bubblewrap, library, tmp_path, what):
    ground, (module, sentence) = Ground(bubblewrap, tmp_path), REFUSED[what]
    with pytest.raises(TrackError) as refused:
        ground.run((ground.python, "-c", "print(1)"), warm=Warm((module,)), env=library["env"],
                   mounts=(*ground.mounts, library["mounts"]))
    assert str(refused.value) == f"`preload` in track.toml: {sentence}."


@pytest.mark.parametrize("what", ["missing", "crashes", "ends Python"])
def test_it_is_so_too_where_it_starts_cold(library, tmp_path, what):
    ground, (module, sentence) = Ground(Unsandboxed(), tmp_path), REFUSED[what]
    with pytest.raises(TrackError) as refused:
        ground.run((ground.python, "-c", "print(1)"), warm=Warm((module,)), env=library["env"])
    assert str(refused.value) == f"`preload` in track.toml: {sentence}."


@pytest.mark.parametrize("victim", ["while it waits", "while a run is under way"])
def test_where_what_is_kept_warm_is_killed_runs_start_cold_and_it_is_said_once(bubblewrap, tmp_path, victim):
    ground, said, own = Ground(bubblewrap, tmp_path), [], Warm(("json", "random" if "run" in victim else "decimal"))
    bubblewrap.say = said.append
    assert ground.run((ground.python, "-c", "print(1)"), warm=own).stdout == b"1\n"
    zygote = next(kept.result() for key, kept in bubblewrap._zygotes._all.items() if key[0] == own)
    process = ground.start((ground.python, "-c", "import time; time.sleep(30)"), warm=own) if "run" in victim else None
    os.kill(zygote._started.result()._pid, signal.SIGKILL)
    if process is not None:
        with pytest.raises(Fault, match="killed from outside"):
            process.wait()
    for _ in range(3):
        assert ground.run((ground.python, "-c", "print(2)"), warm=own).stdout == b"2\n"
    assert said == ["warm starts are not to be had here (what was kept warm for it has ended): runs start cold."]


def test_an_environment_that_changes_is_imported_anew_and_said(bubblewrap, tmp_path):
    ground, said, own = Ground(bubblewrap, tmp_path), [], Warm(("version",))
    bubblewrap.say = said.append
    place = tmp_path / "environment"
    (place / "lib/python3/site-packages").mkdir(parents=True)
    module = place / "lib/python3/site-packages/version.py"
    given = {"env": {"PYTHONPATH": str(module.parent), "PYTHONDONTWRITEBYTECODE": "1"}, "mounts": (*ground.mounts, place), "warm": own}
    for text, found in ("x = 1", b"1\n"), ("x = 22", b"22\n"):
        module.unlink(missing_ok=True)
        module.write_text(text)
        for _ in range(2):
            assert ground.run((ground.python, "-c", "import version; print(version.x)"), **given).stdout == found
    bubblewrap.cool([own])
    assert len(said) == 1 and "has changed on disk" in said[0]


# ---- two at a time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "takes"), [
    ("processes", "import os, time\ntry:\n    while os.fork(): pass\nexcept OSError: pass\nprint('full', flush=True)\ntime.sleep(20)"),
    ("signals", "import os, signal, time, ctypes\nsignal.pthread_sigmask(signal.SIG_BLOCK, [40])\n"
                "while not ctypes.CDLL(None).sigqueue(os.getpid(), 40, None): pass\nprint('full', flush=True)\ntime.sleep(20)")])
def test_one_that_takes_all_it_may_takes_nothing_from_another(bubblewrap, warm, tmp_path, what, takes):
    said, ground, heard = [], Ground(bubblewrap, tmp_path), threading.Event()
    bubblewrap.say = said.append
    greedy = ground.start((ground.python, "-c", takes), warm=WARM, heard=lambda piece: heard.set())
    try:
        assert heard.wait(20)
        other = ground.run((ground.python, "-c", "import os, signal, ctypes\nsignal.pthread_sigmask(signal.SIG_BLOCK, [40])\n"
                            "print(ctypes.CDLL(None).sigqueue(os.getpid(), 40, None))\nos.fork() or os._exit(0)"), warm=WARM)
    finally:
        greedy.kill()
        greedy.wait()
    assert (other.code, other.stdout, said) == (0, b"0\n", [])


def test_an_environment_that_changes_ends_no_run_that_is_under_way(bubblewrap, warm, tmp_path):
    ground, said, own = Ground(bubblewrap, tmp_path), [], Warm(("wave",))
    bubblewrap.say = said.append
    packages = tmp_path / "environment/lib/python3/site-packages"
    packages.mkdir(parents=True)
    given = {"mounts": (*ground.mounts, tmp_path / "environment"), "warm": own}
    first = ground.start((ground.python, "-c", "import time; time.sleep(1); print(1)"), **given)
    (packages / "new").touch()
    assert ground.run((ground.python, "-c", "print(2)"), **given).stdout == b"2\n"
    assert first.wait().stdout == b"1\n" and len(said) == 1
    bubblewrap.cool([own])


def test_a_tree_that_changes_is_sent_anew(bubblewrap, warm, tmp_path):
    ground = Ground(bubblewrap, tmp_path)
    (ground.tree / "sub").mkdir()
    for text in ("print(1)", "print(22)"):
        (ground.tree / "sub/train.py").write_text(text)
        assert ground.run((ground.python, "sub/train.py"), warm=WARM).stdout.decode() == f"{text[6:-1]}\n"


def test_what_a_module_puts_into_the_environment_is_there(bubblewrap, library, tmp_path):
    ground, own = Ground(bubblewrap, tmp_path), Warm(("setting",))
    (library["mounts"] / "setting.py").write_text("import os; os.environ['MARK'] = '1'; os.environ['OVERNIGHT_SEED'] = '2'")
    given = {"env": library["env"] | {"OVERNIGHT_SEED": "7"}, "mounts": (*ground.mounts, library["mounts"]), "warm": own}
    assert ground.run((ground.python, "-c", "import os; print(os.environ['MARK'], os.environ['OVERNIGHT_SEED'])"), **given).stdout == b"1 7\n"
    bubblewrap.cool([own])


# ---- a whole run -----------------------------------------------------------------------------------------------

TRACK = """
[track]
name = "warm"
editable = ["train.py"]
[metric]
name = "loss"
direction = "minimize"
worthwhile = 0.01
[run]
command = ["python", "train.py"]
preload = ["json", "decimal"]
[oracle]
command = ["python", "train.py", "--serve"]
[score]
command = ["python", "score.py"]
private = ["answers.json"]
holdout = "held.json"
preload = ["colorsys"]
"""
TRAIN = """
import json, os, sys
early = [name for name in ("decimal", "colorsys") if name in sys.modules]
if "--serve" in sys.argv:
    assert json.load(open(os.environ["OVERNIGHT_ARTIFACTS"] + "/x"))["early"] == early
    for line in sys.stdin:
        print(json.dumps({"early": early, "hash": os.environ["PYTHONHASHSEED"], "left": os.path.exists("/tmp/left")}), flush=True)
        open("/tmp/left", "w").close()
else:
    json.dump({"early": early, "seed": os.environ["OVERNIGHT_SEED"]}, open(os.environ["OVERNIGHT_OUT"] + "/x", "w"))
"""
SCORE = """
import json, os, sys
early = [name for name in ("decimal", "colorsys") if name in sys.modules]
left = json.load(open(os.environ["OVERNIGHT_ARTIFACTS"] + "/x"))
with os.fdopen(int(os.environ["OVERNIGHT_ASK"]), "w") as ask, os.fdopen(int(os.environ["OVERNIGHT_ANSWER"])) as answer:
    print(file=ask, flush=True)
    told = json.loads(answer.readline())
hidden = json.load(open(os.environ.get("OVERNIGHT_HOLDOUT", "answers.json")))
assert (left["early"], told, early) == (["decimal"], {"early": ["decimal"], "hash": "0", "left": False}, ["colorsys"]), (left, told, early)
print(json.dumps({"loss": hidden + int(left["seed"])}))
"""


def test_run_oracle_and_scorer_start_warm_each_with_its_own(bubblewrap, tmp_path):
    said, repo = [], Repo(repository(tmp_path / "warm", {"track.toml": TRACK, "train.py": TRAIN, "score.py": SCORE, "answers.json": "1",
                                                         "held.json": "2"}))
    bubblewrap.say = said.append
    with closing(Runner(spec.parse(TRACK), repo, bubblewrap, repo.head(), home(repo.folder))) as runner:
        runs = [runner.measure(Measure(seed, 1, repo.head(), seed, "confirm")) for seed in (3, 4)]
        assert {key[0].modules for key in bubblewrap._zygotes._all} >= {("json", "decimal"), ("colorsys",)}
    assert [(run.outcome, run.reason) for run in runs] == [("ok", "")] * 2
    assert [(run.metrics["loss"], run.holdout) for run in runs] == [(4, 5), (5, 6)]
    assert not said and all(key[0].modules != ("colorsys",) for key in bubblewrap._zygotes._all)
    assert all(run.busy > run.metrics["wall_seconds"] and sum(run.overhead.values()) > 0 for run in runs)


def test_what_is_kept_warm_is_made_before_the_clock_of_a_run_begins(bubblewrap, tmp_path):
    """A first run takes what a later one takes: what was imported for it is there for all."""
    happened, contract = [], TRACK[:TRACK.index("[oracle]")].replace('"minimize"', '"minimize"\nfrom = "output"\npattern = "loss (.*)"')

    class Noting(AlwaysWarm):
        def warm_up(self, command):
            bubblewrap.warm_up(command)
            happened.append("warm")

        def start(self, command):
            happened.append("run, warm" if _key(command) in bubblewrap._zygotes._all else "run, cold")
            return bubblewrap.start(command)

        prepare = None

    repo, box = Repo(repository(tmp_path / "warm", {"track.toml": contract, "train.py": "print('loss', 1)"})), Noting(bubblewrap)
    box.say = print
    with closing(Runner(spec.parse(contract), repo, box, repo.head(), home(repo.folder))) as runner:
        assert runner.measure(Measure(1, 1, repo.head(), 1, "race")).outcome == "ok"
    assert happened == ["warm", "run, warm"]


def test_a_module_that_is_missing_ends_a_run_with_a_sentence(bubblewrap, tmp_path):
    contract = TRACK.replace('"decimal"', '"no_such_module"')
    repo = Repo(repository(tmp_path / "warm", {"track.toml": contract, "train.py": TRAIN, "score.py": SCORE, "answers.json": "1"}))
    with closing(Runner(spec.parse(contract), repo, bubblewrap, repo.head(), home(repo.folder))) as runner, \
            pytest.raises(TrackError, match="`preload` in track.toml: 'no_such_module' cannot be imported"):
        runner.measure(Measure(1, 1, repo.head(), 1, "race"))


CACHING = """
import os, pathlib
place = pathlib.Path(os.environ["NUMBA_CACHE_DIR"])
found = sorted(path.name for path in place.iterdir()) if place.exists() else []
place.mkdir(exist_ok=True)
(place / f"of{os.environ['OVERNIGHT_SEED']}").touch()
pathlib.Path(os.environ["OVERNIGHT_OUT"], "found").write_text(" ".join(found))
print("loss", len(found))
"""


def test_compile_caches_and_warm_starts_work_together(bubblewrap, tmp_path):
    contract = TRACK[:TRACK.index("[oracle]")].replace('"minimize"', '"minimize"\nfrom = "output"\npattern = "loss (.*)"') + "[build]\ncache = true\n"
    repo = Repo(repository(tmp_path / "warm", {"track.toml": contract, "train.py": CACHING}))
    with closing(Runner(spec.parse(contract), repo, bubblewrap, repo.head(), home(repo.folder))) as runner:
        runs = [runner.measure(Measure(seed, 1, repo.head(), seed, "race"), keep=tmp_path / f"kept{seed}") for seed in (3, 4, 5)]
    assert [run.reason for run in runs] == [""] * 3
    assert [sorted(path.name for path in (tmp_path / f"kept{seed}").iterdir()) for seed in (3, 4, 5)] == [["found"]] * 3
    assert [(tmp_path / f"kept{seed}" / "found").read_text() for seed in (3, 4, 5)] == ["", "of3", "of3"]


# ---- what it takes ---------------------------------------------------------------------------------------------


def test_start_up_is_no_part_of_what_a_run_takes(bubblewrap, warm, library, tmp_path):
    ground = Ground(bubblewrap, tmp_path)
    (library["mounts"] / "slow.py").write_text("import time\nuntil = time.process_time() + .5\nwhile time.process_time() < until: pass")
    own = Warm(("slow",))
    given = {"env": library["env"], "mounts": (*ground.mounts, library["mounts"])}
    for box, startup in (bubblewrap, .0), (Unsandboxed(), .5):
        ended = Ground.run(_with(ground, box), (ground.python, "-c", "import slow"), warm=own, **given)
        assert ended.startup >= startup and ended.cpu < .4 and ended.wall < ended.startup + 20
    bubblewrap.cool([own])


def test_the_memory_of_what_is_imported_is_part_of_what_a_run_takes(bubblewrap, library, tmp_path):
    ground = Ground(bubblewrap, tmp_path)
    (library["mounts"] / "large.py").write_text("import array; held = array.array('b', bytes(1)) * (64 << 20)")
    own = Warm(("large",), (), Limits(memory=256 << 20))
    given = {"env": library["env"], "mounts": (*ground.mounts, library["mounts"]), "warm": own}
    cold = ground.run((ground.python, "-c", "import large"), **given | {"warm": None}).peak_memory
    forked = ground.run((ground.python, "-c", "import large"), **given).peak_memory
    bubblewrap.cool([own])
    assert cold / 1.3 < forked < 1.3 * cold


def test_many_leave_nothing_behind(bubblewrap, warm, tmp_path):
    ground = Ground(bubblewrap, tmp_path)
    for nth in range(60):
        if nth == 10:
            before = _left(bubblewrap), zombies()
        ended = ground.run((ground.python, "-c", "import os; os.fork() or os._exit(0)"), warm=WARM)
        assert ended.code == 0
    assert (_left(bubblewrap), zombies()) == before


def _left(box):
    """Descriptors of this process, and processes of the warm one, of which one that has just ended may be unburied."""
    gc.collect()
    top = next(kept.result() for key, kept in box._zygotes._all.items() if key[0] == WARM)._started.result()._pid
    ours = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
    return len([each for each in ours if "overnight-tree" not in each and "/sys/fs/cgroup" not in each]), len([pid for pid in watch.tree(top) if watch._stat(pid)[0] != "Z"])


def _with(ground, box):
    ground.sandbox = box
    return ground


def numpy_mounted(ground):
    """Options with which a program finds numpy."""
    place = Path(numpy.__file__).parents[1]
    return {"mounts": (*ground.mounts, place), "env": {"PYTHONHASHSEED": "5", "PYTHONPATH": str(place)}}
