"""Harvest: of what a run leaves behind only plain files are taken, when everybody who could change them is dead.

The scorer of these nights says besides what it was shown: `shown:` and the names, at whatever depth.
"""

from attacks.night import SCORE
from attacks.suite import HONEST, Attack, Stopped

KIND = "harvest"
LOOK = """\
import os, stat, sys
place = os.environ["OVERNIGHT_ARTIFACTS"]
seen = []
for folder, folders, files in os.walk(place):
    for name in (*folders, *files):
        what = os.lstat(os.path.join(folder, name))
        kind = "d" if stat.S_ISDIR(what.st_mode) else "-" if stat.S_ISREG(what.st_mode) else "?"
        seen.append(kind + ascii(os.path.relpath(os.path.join(folder, name), place)) + (oct(what.st_mode & 0o6111) if kind == "-" else ""))
print("shown:", *sorted(seen)[:20], file=sys.stderr)
"""
GROUND = {"score.py": LOOK + SCORE}
NOTHING = "no answer was left"
FILTERED = "plain files only, nothing is followed"
ALONE = "^shown: -'answer'0o0$"  # the honest artefact and nothing else
HEAD = "from bait import *\nfrom inside import *\nimport os, sys\nout = os.environ['OVERNIGHT_OUT']\nos.chdir(out)\n"


def beside(name: str, code: str, stopped_by: str = FILTERED, *, said: str = ALONE, **more) -> Attack:
    """An attack that leaves the honest artefact and something else."""
    return Attack(name, KIND, {"run.py": HONEST + HEAD + code}, stopped_by, said=said, **more)


def instead(name: str, code: str, stopped_by: str = FILTERED, *, reason: str = NOTHING, said: str = "^shown:$", **more) -> Attack:
    """An attack that leaves something else for an answer: the run has no result."""
    return Attack(name, KIND, {"run.py": HEAD + code}, stopped_by, "crash", reason, said, **more)


ATTACKS = [
    instead("leaves a link to a secret", "os.symlink(SECRET, 'answer')"),
    instead("leaves a link to the labels", "os.symlink('/overnight/work/tree/labels.json', 'answer')"),
    instead("leaves a link to its own file", "open('.real', 'w').write('3.25')\nos.symlink('.real', 'answer')"),
    instead("leaves a link to itself", "os.symlink('answer', 'answer')"),
    instead("leaves a pipe that nobody fills", "os.mkfifo('answer')"),
    instead("leaves a socket", "import socket\nsocket.socket(socket.AF_UNIX).bind('answer')"),
    instead("leaves a folder for an answer", "os.mkdir('answer')", reason="IsADirectory", said="^shown: d'answer'$"),
    instead("leaves two names of one file", "open('answer', 'w').write('3.25')\nos.link('answer', 'again')"),
    instead("leaves a link to another run's memory", "os.symlink('/proc/1/root', 'r')\nos.symlink('r/etc/passwd', 'answer')"),
    instead("locks its folder before it goes", """
open('answer', 'w').write('2.0')
try:
    os.chmod('.', 0)
except PermissionError:  # root's sandbox: the folder is not the run's own
    os.unlink('answer')
""", "what cannot be read is not taken"),
    beside("locks a folder of what it leaves", "os.mkdir('d')\nopen('d/x', 'w')\nos.chmod('d', 0)",
           "what cannot be read is not taken", said="^shown: -'answer'0o0( -'d/x'0o0)?( d'd')?$"),
    instead("takes its folder away", """
for act in (lambda: os.rmdir(out), lambda: os.rename(out, '/overnight/work/out'), lambda: os.symlink('/', out)):
    try:
        act()
        print("probe: OPEN")
    except OSError as error:
        say(errno.errorcode[error.errno])
""", "mounts cannot be moved", said=r"\A(probe: E(BUSY|EXIST|ROFS|XDEV|ACCES)\n){3}shown:$"),
    instead("makes a device for an answer", """
import stat
try:
    os.mknod('answer', stat.S_IFCHR | 0o666, os.makedev(1, 5))
except OSError as error:
    say(errno.errorcode[error.errno])
""", "system-call filter, no capability", said="^probe: EPERM$"),
    beside("leaves a link to everything", "os.symlink('/', 'all')\nos.symlink(HOST, 'host')\nos.symlink('..', 'up')"),
    beside("leaves names that are commands", r"""
for name in ('new\nline', '$(touch x)', '`id`', '-rf', '; reboot', '\x1b[2J', '\u202etxt.evil', 'a' * 255, '.hidden', ' ', '\t'):
    open(name, 'w').write('x')
for name in (b'\xff\xfe', b'\xc3\x28', b'\x80'):
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY))
""", "names are plain or left behind", said=r"^shown: -' '0o0 -'\$\(touch x\)'0o0 -'-rf'0o0 -'; reboot'0o0 -'`id`'0o0 -'answer'0o0$"),
    beside("leaves folders two thousand deep", """
for _ in range(2000):
    os.mkdir('d')
    os.chdir('d')
open('deep', 'w')
""", "bound on depth", said=r"^shown: -'answer'0o0 d'd' d'd/d' "),
    beside("leaves folders with the longest names", """
for _ in range(40):
    os.mkdir('d' * 128)
    os.chdir('d' * 128)
    open('f' * 128, 'w')
""", "bound on depth and on the length of paths", said=r"^shown: -'answer'0o0 "),
    beside("leaves programs", """
open('program', 'w').write('#!/bin/sh')
for mode in (0o777, 0o4777, 0o6777):
    try:
        os.chmod('program', mode)
    except OSError as error:
        print(error)
""", "what gives its user's rights is left behind", said="^shown: -'answer'0o0 -'program'0o111$"),
    beside("leaves a file of holes", "fd = os.open('holes', os.O_CREAT | os.O_WRONLY)\nos.truncate('holes', 15 << 20)",
           "bounded as if it were full", said="^shown: -'answer'0o0 -'holes'0o111$"),
    beside("leaves more holes than there is room for", """
for n in range(200):
    os.close(os.open(f'holes{n:03}', os.O_CREAT | os.O_WRONLY))
    os.truncate(f'holes{n:03}', 15 << 20)
""", "bound on what is kept", said="^shown: (-'answer'0o0 )?-'holes...'0o111( -'answer'0o0)?$", verdict="discard"),
    beside("changes what it left while it is taken", """
if not os.fork():
    os.setsid()
    while True:
        open('file', 'w').write('x')
        os.rename('file', 'other')
        os.symlink(SECRET, 'link')
        os.rename('link', 'other')
import time
time.sleep(0.05)
""", "taken when everybody is dead", said="^shown: -'answer'0o0( -'file'0o0)?( -'other'0o0)?$"),
    beside("leaves twins by letter case and by accents", """
for name in ('ANSWER', 'Answer', 'ansẃer', 'answe\\u0301r', '\\uff41nswer', 'answer\\u200b'):
    open(name, 'w').write('3.25')
""", "names are taken byte by byte", said=r"^shown: -'ANSWER'0o0 -'Answer'0o0 .*-'answer'0o0"),
    beside("leaves attributes", """
for name in ('user.answer', 'trusted.answer', 'security.capability', 'system.posix_acl_access'):
    try:
        os.setxattr('answer', name, b'3.25')
    except OSError as error:
        print(error)
""", "contents alone are taken"),
]


class TestHarvest(Stopped):
    """A night of leaving things behind."""
