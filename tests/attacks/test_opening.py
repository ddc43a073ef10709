"""Around the track: a candidate looks for its state, its user's grants and our git folder, brings a repository of its own, and
leaves what a report, an audit or a scorer might follow, mistake for a log, or unpickle."""

import pickle

from attacks.suite import HONEST, Attack, Stopped, only, probe
from overnight.contracts import Command, Limits
from overnight.execution.mounts import interpreter
from overnight.sandbox.bubblewrap import Bubblewrap
from overnight.track.spec import RunSpec

KIND = "opening"
GONE = only("ENOENT")
NAMES = "names of artefacts are never names of ours"
DATA = "artefacts are data"
SCORE = """\
import sys
from overnight.scoring import main, numbers

main(lambda: {"loss": abs(numbers("answer") - 3.25)})
"""
GROUND = {"score.py": SCORE}
STATE = "state = (__import__('glob').glob(STATE + '/*/*') or [STATE])[0]\n"
LEFT = "import os, sys\nfrom bait import *\nout = os.environ['OVERNIGHT_OUT']\nos.chdir(out)\n"
PICKLE = "import pickle\n\nclass Evil:\n    def __reduce__(self):\n        return open, (PLACE, 'w')\n\nbody = pickle.dumps(Evil())\n"
TMP = "PLACE = '/tmp/' + MARK + '-unpickled'\n"
NPY = """\
head = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\\n"
body = b"\\x93NUMPY\\x01\\x00" + len(head).to_bytes(2, "little") + head + body
"""
TORCH = """\
import io, zipfile
held = io.BytesIO()
with zipfile.ZipFile(held, "w") as archive:
    archive.writestr("archive/data.pkl", body)
    archive.writestr("archive/version", "3")
body = held.getvalue()
"""
FORGED = "forged words for a log"


def state(name: str, code: str, **more) -> Attack:
    """A search beside the tree, which finds what it looks for where there is no sandbox."""
    return probe(name, KIND, STATE + code, "not mounted", **({"said": GONE, "works": "^probe: OPEN"} | more))


def beside(name: str, code: str, stopped_by: str, **more) -> Attack:
    """An attack that leaves the honest artefact and something else."""
    return Attack(name, KIND, {"run.py": HONEST + LEFT + code}, stopped_by, **more)


def pickled(name: str, more: str) -> Attack:
    """An attack that leaves a pickle for an answer."""
    return Attack(name, KIND, {"run.py": LEFT + TMP + PICKLE + more + "open('answer', 'wb').write(body)\n"}, DATA, "crash",
                  "answer")


def logs_are_ours(night) -> None:
    """No log holds what a candidate left under a log's name, and nothing lies beside them."""
    kept = [path for path in (night.session.home / "logs").iterdir() if FORGED.encode() in path.read_bytes()]
    assert kept == [] and not (night.session.home / "report").exists()


ATTACKS = [
    # -- what lies beside the tree --
    state("looks for the state folder by every name", """
places = [os.environ.get("XDG_STATE_HOME"), os.path.expanduser("~/.local/state"), HOST_HOME + "/.local/state", "/root/.local/state",
          HOST + "/state", os.path.dirname(STATE)]
return each(**{place: lambda place=place: os.listdir(place + "/overnight") for place in places if place})
"""),
    state("looks for the state folder through processes", """
found = []
for pid in (pid for pid in os.listdir("/proc") if pid.isdigit()):
    try:
        links = [f"/proc/{pid}/cwd", *(f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd"))]
        found += [link for link in links if STATE in os.readlink(link)]
        found += [pid] * (STATE.encode() in open(f"/proc/{pid}/maps", "rb").read())
    except OSError as error:
        print(f"  {pid}: {error.strerror}")
return found
""", said="^probe: absent$", works=""),
    state("looks for the state folder in environments", """
found = []
for pid in (pid for pid in os.listdir("/proc") if pid.isdigit()):
    try:
        found += [pid] * (b"XDG_STATE_HOME=" in open(f"/proc/{pid}/environ", "rb").read())
    except OSError as error:
        print(f"  {pid}: {error.strerror}")
return found
""", said="^probe: absent$", works=""),
    state("reads what its user has granted", "return each(granted=lambda: open(state + '/trust.json').read(200))"),
    state("grants itself what it wants", """
return each(write=lambda: open(state + "/trust.json", "r+"), beside=lambda: os.open(state, os.O_TMPFILE | os.O_WRONLY))
"""),
    state("reads and turns our git folder", """
return each(config=lambda: open(state + "/git/config", "r+").read(4), objects=lambda: os.readlink(state + "/git/objects"),
            hooks=lambda: os.open(state + "/git", os.O_TMPFILE | os.O_WRONLY))
"""),
    state("gives orders to the night", "return each(inbox=lambda: os.open(state, os.O_TMPFILE | os.O_WRONLY), there=lambda: os.listdir(state + '/inbox'))"),
    state("reads the end of the journal and the lock", """
return each(lock=lambda: open(state + "/lock").read(), journal=lambda: open(state + "/journal.db-wal", "rb").read(8),
            branch=lambda: open(state + "/branch").read())
"""),
    state("reads the repository's git folder", """
return each(config=lambda: open(REPO + "/.git/config").read(), head=lambda: open(REPO + "/.git/HEAD").read())
"""),
    # -- repositories of its own --
    probe("swaps its tree's git folder for one that runs programs", KIND, """
        os.makedirs("/tmp/evil/objects"), os.makedirs("/tmp/evil/refs")
        open("/tmp/evil/HEAD", "w").write("ref: refs/heads/main\\n")
        open("/tmp/evil/config", "w").write(f"[core]\\n\\tfsmonitor = touch /tmp/{MARK}-swapped\\n\\tworktree = .\\n")
        open(".git", "w").write("gitdir: /tmp/evil\\n")
        say("swapped")
        """, "its tree is a copy that no git reads", said="^probe: swapped$", works="^probe: (swapped|E)"),
    beside("leaves a repository that runs programs for an artefact", """
for place in (".", "inner"):
    os.makedirs(place + "/.git/objects"), os.makedirs(place + "/.git/refs"), os.makedirs(place + "/.git/hooks")
    open(place + "/.git/HEAD", "w").write("ref: refs/heads/main\\n")
    open(place + "/.git/config", "w").write(f"[core]\\n\\tfsmonitor = touch /tmp/{MARK}-left\\n[filter \\"x\\"]\\n\\tclean = touch /tmp/{MARK}-left\\n")
    open(place + "/.gitattributes", "w").write("* filter=x\\n")
print("left", flush=True)
""", "artefacts are no work tree", said="^left$"),
    # -- what others might follow --
    beside("leaves links where a report and an audit would look", """
for name in ("report.md", "results.tsv", "progress.svg", "audit.json", "notes.md", "state.snapshot", "trust.json", "branch"):
    os.symlink(SECRET, name)
    os.symlink("../../" + name, "up-" + name)
os.symlink(HOST, "report"), os.symlink("/", "logs"), os.symlink(STATE, "audit")
print("left", flush=True)
""", "plain files only, nothing is followed", said="^left$", after=logs_are_ours),
    beside("leaves files that bear logs' names", f"""
os.makedirs("logs"), os.makedirs("audit")
for name in (*(f"{{n}}{{kind}}.log" for n in range(1, 40) for kind in ("", "-score", "-oracle")), "journal.db", "audit.json"):
    for place in (".", "logs", "audit"):
        open(place + "/" + name, "w").write({FORGED[:11]!r} + {FORGED[11:]!r})
print("left", flush=True)
""", NAMES, said="^left$", after=logs_are_ours),
    beside("leaves names that lead to logs", r"""
import errno
for name in ("..\\..\\logs\\1.log", "%2e%2e%2flogs", "a\nlogs", "\u2024\u2024\u2215logs", "-", "--", "~"):
    open(name, "w").write("up")
os.rename("answer", "kept"), os.rename("kept", "answer")
print("left", flush=True)
""", NAMES, said="^left$", after=logs_are_ours),
    # -- what others might load --
    pickled("leaves a pickle where a number is due", ""),
    pickled("leaves an array of objects where a number is due", NPY),
    pickled("leaves a torch archive where a number is due", TORCH),
    beside("leaves models that run what unpickles them", TMP + PICKLE + """
for name in ("model.pkl", "model.pt", "model.joblib", "cache.shelve", "answer.pickle", "answer.npy", "__pycache__"):
    open(name, "wb").write(body)
print("left", flush=True)
""", DATA, said="^left$"),
]


class TestOpening(Stopped):
    """A night of looking around the track."""

    def test_unpickled_it_would_run(self, tmp_path):
        names = {"PLACE": str(tmp_path / "unpickled")}
        exec(PICKLE, names)
        pickle.loads(names["body"]).close()
        assert (tmp_path / "unpickled").exists()


FORKS = """\
import os, signal, sys, time
if sys.argv[1] == "ignored":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
ends, held = os.pipe()
for _ in range(12):
    if not os.fork():
        until = time.process_time() + 0.03
        while time.process_time() < until:
            pass
        os._exit(0)
os.close(held)
os.read(ends, 1)  # until the last of them is gone
"""


def counted(box, tmp_path, way):
    """How a run is counted whose children do all the work."""
    python, mounts = interpreter(RunSpec(command=("python",)), tmp_path)
    tmp_path.chmod(0o755)
    limits = Limits(wall=20, memory=256 << 20, disk=1 << 20, processes=64)
    return box.start(Command(argv=(python, "-S", "-E", "-c", FORKS, way), tree=tmp_path, limits=limits, mounts=mounts)).wait()


class TestChildrenThatNobodyWaitsFor:
    """What children take is counted by the kernel, or what is told of it is called an estimate."""

    def test_the_kernel_counts_them(self, box, tmp_path):
        ended = counted(box, tmp_path, "ignored")
        assert not box.counts or (ended.accounting == "exact" and ended.cpu >= 12 * 0.03), ended

    def test_without_control_groups_it_is_an_estimate(self, tmp_path):
        box = Bubblewrap()
        box.probe()
        box.groups = None
        hidden, waited = counted(box, tmp_path, "ignored"), counted(box, tmp_path, "waited")
        assert {hidden.accounting, waited.accounting} == {"estimate"}
