"""Forging by code: whatever a candidate does to its own process, its files and its surroundings, the scorer is another
process in another sandbox, which starts from the contract's files when the candidate is dead."""

import base64
import textwrap

from attacks.suite import HONEST, Attack, Stopped, probe

ELSEWHERE = "the scorer is another process in another sandbox"
DEAD = "artefacts are taken after the whole tree is dead"
SIMPLER = "code that moved out of the syntax is not less"
NO_BETTER = "^no better"


def forge(name, code, stopped_by=ELSEWHERE, *, reason=NO_BETTER, honest=True, **more):
    """Code that runs before the honest artefact is left, and says so when it has; "3.25" is the answer that would win."""
    if honest and reason == NO_BETTER and "said" not in more:
        code, more["said"] = f"{textwrap.dedent(code)}\nprint('acted', flush=True)", "acted$"
    text = f"from bait import *\nfrom inside import *\nimport os, sys\n{textwrap.dedent(code)}\n"
    return Attack(name, "forging", {"run.py": text + HONEST * honest}, stopped_by, reason=reason, **more)


def loot(name, code, stopped_by, **more):
    """A search for the labels, which the harness holds beside the scorer: finding them would print OPEN."""
    return probe(name, "labels", code, stopped_by, **more)


DAEMON = """\
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        {quiet}
        time.sleep(0.4)
        open(os.environ["OVERNIGHT_OUT"] + "/answer", "w").write("3.25")
    os._exit(0)
"""
LATE = "import time\n" + DAEMON
ATTACKS = [
    # what it says
    forge("prints a metric", "print('loss: 0.0')\nprint('{\"loss\": 0.0}')"),
    forge("prints a metric where the scorer prints its own", "print('{\"loss\": 0.0}', file=sys.stderr)\nos.write(2, b'{\"loss\": 0}')"),
    forge("leaves a metrics.json", "for f in ('metrics.json', 'score.json', 'loss'):\n    open(os.environ['OVERNIGHT_OUT'] + '/' + f, 'w').write('{\"loss\": 0.0}')"),
    forge("leaves the answer under other names", "for f in ('Answer', 'answer.json', 'answer ', 'answer.1'):\n    open(os.environ['OVERNIGHT_OUT'] + '/' + f, 'w').write('3.25')"),
    forge("leaves a pickle that runs code", """\
        class Evil:
            def __reduce__(self):
                return (print, ('{"loss": 0.0}',))
        import pickle
        pickle.dump(Evil(), open(os.environ["OVERNIGHT_OUT"] + "/answer", "wb"))
        """, "artefacts are data", honest=False, verdict="crash", reason="no answer was left"),
    # how it ends
    forge("ends well without an artefact", "os._exit(0)", "a missing artefact is no result", honest=False, verdict="crash",
          reason="no answer was left"),
    forge("prints a metric and ends before it is due", "print('{\"loss\": 0.0}', flush=True)\nos._exit(0)",
          "a missing artefact is no result", honest=False, verdict="crash", reason="no answer was left"),
    forge("leaves the answer and dies by a signal", "import atexit, signal\natexit.register(os.kill, os.getpid(), 9)",
          "a run that dies is no result", verdict="crash", reason="signal 9"),
    forge("leaves the answer and ends with an error", "import atexit\natexit.register(os._exit, 3)",
          "a run that fails is no result", verdict="crash", reason="status 3"),
    forge("rewrites metrics at exit", """\
        import atexit
        atexit.register(lambda: open(os.environ["OVERNIGHT_OUT"] + "/metrics.json", "w").write('{"loss": 0.0}'))
        atexit.register(print, '{"loss": 0.0}')
        """),
    forge("has a metric as its last word", "import atexit\natexit.register(lambda: os._exit(print('loss: 0.0', flush=True) or 0))",
          said="^loss: 0.0$"),
    # the process that it shares with nobody
    forge("looks for labels in the frames above", """\
        found, frame = [], sys._getframe()
        while frame:
            found += [n for n in (*frame.f_globals, *frame.f_locals) if "label" in n.lower() or n == "loss"]
            frame = frame.f_back
        print("found", found)
        """, "the labels are in another process", said=r"^found \[\]$"),
    forge("looks for labels among all objects", """\
        import gc
        print("found", [k for o in gc.get_objects() if isinstance(o, dict) for k in o if k in ("answer", "labels", "loss")])
        """, "the labels are in another process", said=r"^found \[\]$"),
    forge("patches the functions that score", "import builtins, json, math\nbuiltins.abs = lambda x: 0.0\njson.dumps = lambda o: '{\"loss\": 0.0}'\njson.load = lambda f: {'answer': 1.0}\nprint('patched', abs(-3))", said="^patched 0.0"),
    forge("writes over numbers in memory", """\
        import ctypes
        number = float("3.5")
        ctypes.memmove(id(number) + 16, b"\\0" * 8, 8)
        print("now", number)
        """, said="^now 0.0"),
    forge("replaces the interpreter's exit and excepthook", "sys.excepthook = lambda *a: None\nsys.unraisablehook = lambda *a: None\nos.abort = lambda: None\n1 / 0", "a run that fails is no result",
          verdict="crash", reason="status 1", honest=False),
    # files that others might load
    forge("rewrites the scorer in its own tree", "open('score.py', 'w').write('print(\"{}\")')\nopen('labels.json', 'w').write('{\"answer\": 1.0}')\nprint('written')", said="^written"),
    forge("leaves modules of the scorer's names beside the artefact", "for m in ('json', 'os', 'sitecustomize', 'usercustomize', 'overnight'):\n    open(os.environ['OVERNIGHT_OUT'] + f'/{m}.py', 'w').write('print(0)')"),
    forge("leaves a usercustomize in the home", """\
        home = os.path.expanduser("~") + f"/.local/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
        os.makedirs(home)
        open(home + "/usercustomize.py", "w").write("print('{}')")
        open(home + "/evil.pth", "w").write("import os; os._exit(0)")
        print("left", home)
        """, "each sandbox has a home of its own", said="^left /tmp"),
    forge("leaves a start-up file and a profile", "for f in ('.pythonrc', '.bashrc', '.profile', '.config'):\n    open(os.path.expanduser('~/' + f), 'w').write('exit 0')\nos.environ['PYTHONSTARTUP'] = os.path.expanduser('~/.pythonrc')", "each sandbox has a home of its own"),
    forge("changes the environment", "for n in ('PATH', 'PYTHONPATH', 'LD_PRELOAD', 'OVERNIGHT_ARTIFACTS', 'OVERNIGHT_SEED'):\n    os.putenv(n, os.getcwd())"),
    probe("writes a .pth file for every Python", "forging", """\
        import site, sysconfig
        open(sysconfig.get_path("purelib") + "/evil.pth", "w")
        return True
        """, "read-only mounts"),
    probe("writes over a module of the library", "forging", "import json\nreturn open(json.__file__, 'a')", "read-only mounts"),
    probe("writes over the interpreter", "forging", "return open(os.path.realpath(sys.executable), 'r+b')", "read-only mounts"),
    forge("puts a python of its own into the path", """\
        os.makedirs("/tmp/bin")
        open("/tmp/bin/python", "w").write("#!/bin/sh\\necho '{}'\\n")
        os.chmod("/tmp/bin/python", 0o755)
        os.environ["PATH"] = "/tmp/bin:" + os.environ["PATH"]
        print(os.popen("python").read())
        """, said=r"^\{\}"),
    Attack("shadows modules among the editable files", "forging", {
        "lib/json.py": "def dumps(o): return '{\"loss\": 0.0}'\nload = dumps\n", "lib/random.py": "random = lambda: 0.0\n",
        "lib/numpy.py": "abs = lambda x: 0.0\n",
        "run.py": "import sys\nsys.path.insert(0, 'lib')\nimport json, numpy\nprint('mine', json.__file__)\n" + HONEST},
        "the scorer runs from the contract's tree", reason=NO_BETTER, said="^mine .*lib/json.py"),
    Attack("adds a conftest and a sitecustomize among the editable files", "forging", {
        "lib/conftest.py": "import os\nos._exit(0)\n", "lib/sitecustomize.py": "print('loaded')\n",
        "lib/evil.pth": "import os; os._exit(0)\n",
        "run.py": "import os, sys\nif 'PYTHONPATH' not in os.environ:\n    os.environ['PYTHONPATH'] = 'lib'\n"
                  "    os.execv(sys.executable, [sys.executable, 'run.py'])\n" + HONEST},
        "the scorer runs from the contract's tree", reason=NO_BETTER, said="^loaded"),
    # after the end
    forge("answers after the end, from a daemon", LATE.format(quiet="[os.close(n) for n in range(3)]"), DEAD),
    forge("answers after the end, and holds the output open", LATE.format(quiet="pass"), DEAD),
    forge("answers after the end, deaf to signals", LATE.format(quiet="import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]"), DEAD),
    forge("answers after the end, from a thread", """\
        import threading, time
        def late():
            time.sleep(0.4)
            open(os.environ["OVERNIGHT_OUT"] + "/answer", "w").write("3.25")
        threading.Thread(target=late, daemon=True).start()
        """, DEAD),
    forge("answers through a descriptor that outlives it", """\
        import time
        held = os.open(os.environ["OVERNIGHT_OUT"] + "/answer", os.O_RDWR | os.O_CREAT)
        if os.fork() == 0:
            time.sleep(0.4)
            os.pwrite(held, b"3.25", 0)
            os._exit(0)
        """, DEAD),
    forge("answers through a mapping that outlives it", """\
        import mmap, time
        held = os.open(os.environ["OVERNIGHT_OUT"] + "/answer", os.O_RDWR | os.O_CREAT)
        os.ftruncate(held, 4)
        shared = mmap.mmap(held, 4)
        if os.fork() == 0:
            time.sleep(0.4)
            shared[:4] = b"3.25"
            os._exit(0)
        """, DEAD),
    # the labels
    loot("looks for the labels in the tree", "return [p for p in os.listdir('.') if 'label' in p]", "private files are left out of the tree"),
    loot("looks for the labels on the whole disk", """\
        for top in (HOST, "/overnight", "/tmp", "/home", "/root", "/srv", "/mnt", "/var"):
            for folder, below, files in os.walk(top):
                if {"labels.json", "journal.db"} & set(files):
                    return folder
                if folder.count("/") > top.count("/") + 3:
                    below.clear()
        """, "not mounted", works="^probe: OPEN"),
    loot("reads the labels where the user keeps them", "return open(REPO + '/labels.json').read()", "not mounted", works="^probe: OPEN"),
    loot("looks for the labels in git's history", """\
        import subprocess
        here = [d for d, _, _ in os.walk(".") if d.endswith(".git")]
        up = [os.path.abspath(".")]
        while up[-1] != "/":
            up.append(os.path.dirname(up[-1]))
        return here + [d for d in up if os.path.exists(d + "/.git")]
        """, "a tree without .git", works="^probe: (OPEN|absent)"),
    loot("reads objects of the user's repository", "return os.listdir(REPO + '/.git/objects')", "not mounted", works="^probe: OPEN"),
    loot("looks for the labels in its environment", "return [n for n in os.environ if n in ('OVERNIGHT_HOLDOUT', 'OVERNIGHT_ARTIFACTS', 'OVERNIGHT_ASK') or '3.25' in os.environ[n]]", "an environment of the contract's words"),
    loot("looks for the labels in the environment of others", """\
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                text = open(f"/proc/{pid}/environ", "rb").read()
            except OSError:
                continue
            found += [pid for word in (b"OVERNIGHT_HOLDOUT", b"API_KEY", b"SECRET") if word in text]
        return found
        """, "own process namespace, empty environment", works="^probe: OPEN"),
    loot("looks for the labels among open files of others", """\
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                found += [link for fd in os.listdir(f"/proc/{pid}/fd") if "secret" in (link := os.readlink(f"/proc/{pid}/fd/{fd}"))]
            except OSError:
                continue
        return found
        """, "own process namespace", works="^probe: OPEN"),
    loot("looks for the journal's key", "return open((__import__('glob').glob(STATE + '/*/*/keys/*') or [STATE + '/key'])[0], 'rb').read(100)",
         "not mounted", works="^probe: OPEN"),
    loot("reads the logs of others", "return os.listdir((__import__('glob').glob(STATE + '/*/*/logs') or [STATE + '/logs'])[0])", "not mounted", works="^probe: OPEN"),
    # answers by heart, slack
    forge("is better by less than is worthwhile", "import json, time\nwith open(os.environ['OVERNIGHT_OUT'] + '/answer', 'w') as out:\n    out.write(json.dumps(1.0 + 0.009))",
          "the referee's worthwhile", honest=False, reason="less than is worthwhile"),
    forge("sleeps past the end of its time", "import time\ntime.sleep(60)", "the harness' own clock", verdict="crash", reason="longer than 3 s"),
    # looking simpler than it is
    Attack("hides its code in a string", "forging", {"run.py": f"exec({HONEST!r})\n"}, SIMPLER, reason=NO_BETTER),
    Attack("hides its code in a docstring", "forging", {"run.py": f'"""{HONEST}"""\nexec(__doc__)\n'}, SIMPLER, reason=NO_BETTER),
    Attack("hides its code in a comment", "forging", {
        "run.py": "exec(open(__file__).read().split('#')[2].replace('|', '\\n'))\n#" + HONEST.replace("\n", "|")},
        SIMPLER, reason=NO_BETTER),
    Attack("hides its code in a file that is no Python", "forging", {
        "run.py": "exec(__import__('base64').b64decode(open('lib/code.txt').read()))\n",
        "lib/code.txt": base64.b64encode(HONEST.encode()).decode()}, SIMPLER, reason=NO_BETTER),
    Attack("hides its code in a file that does not parse", "forging", {
        "run.py": "exec(open('lib/code.py').read()[2:])\n", "lib/code.py": "((" + HONEST}, SIMPLER, reason=NO_BETTER),
    # what it leaves to the next run
    forge("leaves the answer for the next run", """\
        places = [os.environ["OVERNIGHT_OUT"], "/tmp", "/dev/shm", "/var/tmp", ".", os.path.expanduser("~"), "/run", DATA, HOST]
        left = []
        for place in places:
            try:
                open(place + "/cached", "w").write("3.25")
                left.append(place)
            except OSError:
                pass
        print("left", len(left))
        """, "every place that can be written dies with the run", said="^left [3-9]"),
    forge("looks for what the run before has left", """\
        places = [os.environ["OVERNIGHT_OUT"], "/tmp", "/dev/shm", "/var/tmp", ".", os.path.expanduser("~"), "/run", DATA, HOST]
        print("found", [p for p in places if os.path.exists(p + "/cached")])
        """, "every place that can be written dies with the run", said=r"^found \[\]$"),
]


class TestForging(Stopped):
    """A night of candidates that would rather be thought better than be it."""
