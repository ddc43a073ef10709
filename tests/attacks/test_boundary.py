"""The boundary: what a candidate may change is checked on the commit. Nothing outside it is ever run."""

from attacks.suite import HONEST, Attack, Stopped
from conftest import commit, git

GROUND = {"prüfung.py": "# protected, its name in composed letters\n", "lib/tool.py": "A = 1\n"}
EVIL = "import os\nprint('here')\nos.environ['OVERNIGHT_ARTIFACTS'] = '/forged'\n"
FORGED = "print('{\"loss\": 0.0}')\n"


def PREPARE(folder):
    """A link and a submodule among what may be edited, as a user may have them."""
    (folder / "lib/link.py").symlink_to("../score.py")
    (folder / "lib/folder").symlink_to("..")
    commit(folder, {})
    git(folder, "update-index", "--add", "--cacheinfo", f"160000,{git(folder, 'rev-parse', 'HEAD')},lib/module")
    git(folder, "commit", "-q", "-m", "a submodule")
    (folder / "lib/module").mkdir()


def foul(name, files, reason, **more):
    """A change that leaves the boundary."""
    return Attack(name, "boundary", files, "the boundary, checked on the commit", verdict="foul", reason=reason, **more)


def refused(name, files, reason="is no path inside the repository", stopped_by="paths are checked before git sees them"):
    """A change that never becomes a commit."""
    return Attack(name, "boundary", files, stopped_by, verdict="refused", reason=reason)


OUTSIDE = "which is not editable$"
ATTACKS = [
    foul("edits the scorer", {"score.py": FORGED}, OUTSIDE),
    foul("edits the scorer beside an honest file", {"run.py": HONEST + "A = 1\n", "score.py": FORGED}, OUTSIDE),
    foul("deletes the scorer", {"score.py": None}, OUTSIDE),
    foul("edits the hidden labels", {"labels.json": '{"answer": 1.0}'}, OUTSIDE),
    foul("edits the contract", {"track.toml": "[track]\nname = 'mine'\n"}, OUTSIDE),
    foul("edits the instructions", {"program.md": "Keep everything.\n"}, OUTSIDE),
    foul("adds a conftest.py", {"conftest.py": EVIL}, OUTSIDE),
    foul("adds a test of its own", {"tests/test_mine.py": "def test(): pass\n"}, OUTSIDE),
    foul("adds a sitecustomize.py", {"sitecustomize.py": EVIL}, OUTSIDE),
    foul("adds a usercustomize.py", {"usercustomize.py": EVIL}, OUTSIDE),
    foul("adds a .pth file", {"evil.pth": "import os\n"}, OUTSIDE),
    foul("adds a json.py beside the scorer", {"json.py": EVIL}, OUTSIDE),
    foul("adds a package named like the library", {"overnight/__init__.py": EVIL}, OUTSIDE),
    foul("adds a program called python", {"python": "#!/bin/sh\necho '{\"loss\": 0}'\n"}, OUTSIDE),
    foul("adds a start-up file for Python", {".pythonrc.py": EVIL}, OUTSIDE),
    foul("adds a pyvenv.cfg", {"pyvenv.cfg": "home = /tmp\n"}, OUTSIDE),
    foul("writes into the journal's folder", {".overnight/journal.db": "x"}, OUTSIDE),
    foul("sets attributes of git's", {".gitattributes": "*.py filter=evil\n"}, OUTSIDE),
    foul("sets attributes of git's among the editable files", {"lib/.gitattributes": "* filter=evil\n"}, "steers git"),
    foul("declares a submodule among the editable files", {"lib/.gitmodules": "[submodule 'x']\n"}, "steers git"),
    foul("hides files from git", {"lib/.gitignore": "*\n"}, "steers git"),
    foul("moves an editable submodule", {"lib/module": "x"}, "kind or mode"),
    foul("turns an editable link to the scorer", {"lib/link.py": "../labels.json"}, "kind or mode"),
    foul("a twin in capitals of the scorer", {"SCORE.PY": FORGED}, OUTSIDE),
    foul("a twin in wide letters of the scorer", {"\uff53\uff43\uff4f\uff52\uff45.py": FORGED}, OUTSIDE),
    foul("a twin in decomposed letters of a protected file", {"pru\u0308fung.py": FORGED}, OUTSIDE),
    foul("a twin with a Cyrillic letter of the scorer", {"sc\u043ere.py": FORGED}, OUTSIDE),
    foul("a twin with a trailing dot of the scorer", {"score.py.": FORGED}, OUTSIDE),
    foul("a twin in capitals of the editable file", {"RUN.PY": HONEST}, OUTSIDE),
    foul("a name that the globs only begin", {"run.pyc": "x"}, OUTSIDE),
    refused("a twin with an invisible letter of the scorer", {"sco\u200bre.py": FORGED}),
    refused("a name that reads backwards", {"lib/\u202eyp.erocs": FORGED}),
    refused("a name that clears the screen", {"lib/\x1b[2J.py": EVIL}),
    refused("a name of two lines", {"lib/a\nscore.py": FORGED}),
    refused("a name with a null", {"lib/a\0.py": EVIL}),
    refused("a name that is no text, on a way out", {"../\ud800": EVIL}),
    refused("a name without end", {"lib/" + "a/" * 600 + "x": EVIL}),
    refused("climbs out of the folder", {"../outside.py": EVIL}),
    refused("climbs from an editable folder to the scorer", {"lib/../score.py": FORGED}),
    refused("names the scorer from here", {"./score.py": FORGED}),
    refused("names a file of the system", {"/etc/passwd": "root::0:0::/:/bin/sh\n"}),
    refused("writes a hook", {".git/hooks/post-checkout": "#!/bin/sh\n"}),
    refused("writes git's configuration in capitals", {".GIT/config": "[core]\nfsmonitor = evil\n"}),
    refused("hides a repository among the editable files", {"lib/.git/config": "[core]\nfsmonitor = evil\n"}),
    refused("makes a repository of a file", {"lib/.git": "gitdir: /tmp/evil\n"}),
    refused("hides git's folder by an invisible letter", {"lib/.g\u200cit/config": "[core]\n"}),
    refused("hides git's folder by a short name", {"lib/git~1/config": "[core]\n"}, "changes nothing", "git's own rules"),
    refused("turns the editable folder into a file", {"lib": "x"}, "is a folder"),
    foul("turns the editable file into a folder", {"run.py/run.py": HONEST}, OUTSIDE),
    Attack("writes through an editable link to a folder", "boundary", {"lib/folder/score.py": FORGED},
           "a commit holds no path through a link", reason="no better"),
    foul("a name that is magic to git", {":(top,exclude)lib/tool.py": FORGED}, OUTSIDE),
    Attack("a name that is a pattern to git", "boundary", {"lib/*": FORGED}, "paths are taken as they are", reason="no better"),
    refused("text that is no text", {"run.py": HONEST + "# \ud800\n"}, "no text", "texts are checked before git sees them"),
    refused("a thousand files", {f"lib/{n}.py": "A = 1\n" for n in range(1001)}, "more than", "a bound on a change"),
    refused("a file of many more bytes than letters", {"lib/big.py": "#" + "\U0001f600" * (5 << 20)}, "more than", "a bound on a change"),
    refused("five hundred folders in one another", {"lib/" + "a/" * 500 + "x.py": "A = 1\n"}),
    refused("a file of sixteen megabytes", {"lib/big.py": "#" * (16 << 20)}, "more than", "a bound on a change"),
]


class TestBoundary(Stopped):
    """A night of changes that touch what is not theirs."""
