"""Names and words: escape sequences, directions, options, line breaks, bytes that are no text."""

import os
from pathlib import Path

from conftest import LITTLE, write
from hostile.attack import Attacks
from hostile.night import forged, lived
from hostile.suite import Harmless

ATTACKS = attack = Attacks()
ESCAPE = "\\u001b]0;owned\\u0007\\u001b[2J\\u009b31m\\u202egnp"  # as TOML writes it
RAW = "\x1b]0;owned\x07\x1b[2J\u202egnp"
SHOWN = ("run", "trust", "brief")


class TestNames(Harmless):
    """What a stranger names is printed without what steers a terminal, and is no option of a program."""


@attack(*SHOWN)
def escapes_in_the_contract(scene):
    """The contract's words clear the terminal and set its title"""
    scene.contract(('name = "little"', f'name = "little"\ngoal = "{ESCAPE}"'), ('name = "loss"', f'name = "loss"\nunit = "{ESCAPE}"'))


@attack(*SHOWN)
def escapes_in_the_metric_s_name(scene):
    """The metric's name steers the terminal"""
    score = LITTLE["score.py"].replace('"loss"', repr("loss" + RAW))
    scene.contract(('name = "loss"', f'name = "loss{ESCAPE.replace(chr(92) + "u009b31m", "")}"'), **{"score.py": score})


@attack(*SHOWN)
def escapes_in_an_unknown_key(scene):
    """The error about a key that nobody knows prints the key"""
    scene.contract(("[run]\n", f'[run]\n"{ESCAPE}" = 1\n'))


@attack(*SHOWN)
def escapes_in_paths_and_commands(scene):
    """The errors about files that are not there print their names"""
    scene.contract(('editable = ["settings.py"]', f'editable = ["settings.py", "{ESCAPE}"]'))


@attack(*SHOWN)
def escapes_in_a_command(scene):
    """The manifest prints the command"""
    scene.contract(('"run.py"]', f'"run.py", "{ESCAPE}.py"]'))


@attack(*SHOWN)
def escapes_in_data_and_python(scene):
    """The question of `trust` prints the paths"""
    scene.contract(("[run]\n", f'[run]\ndata = ["{ESCAPE}"]\npython = "{ESCAPE}"\n'))


@attack(*SHOWN)
def escapes_in_guards_and_patterns(scene):
    """The names of guards and patterns steer the terminal"""
    scene.contract(("[score]\n", f'[[guard]]\nmetric = "{ESCAPE}"\nat_most = "{ESCAPE}"\n\n[score]\n'))


@attack(*SHOWN)
def escapes_in_the_program(scene):
    """The names of roles, models and agents steer the terminal"""
    scene.commit({"program.md": f'---\nroles:\n  "a{ESCAPE}": {{kind: knobs}}\n  b: {{kind: "{ESCAPE}"}}\n---\n{RAW}\n'})


@attack(*SHOWN)
def escapes_in_what_the_candidate_and_the_scorer_say(scene):
    """The complaint of a scorer, and a candidate's last words, are printed as they are"""
    scene.commit({"score.py": f"import sys\nsys.exit({RAW!r})\n", "run.py": f"print({RAW!r})\n" + LITTLE["run.py"]})


@attack(*SHOWN)
def escapes_in_the_names_of_files(scene):
    """The sentence about a file that is not committed prints its name"""
    scene.commit({f"a{RAW.replace('/', '')}.py": "x"})
    write(scene.repo, {f"a{RAW.replace('/', '')}.py": "changed"})


@attack("run", "brief", "try")
def escapes_in_the_folder(scene):
    """The repository's own folder has a name that steers the terminal"""
    to = scene.repo.with_name(f"track{RAW}")
    scene.repo.rename(to)
    scene.repo, scene.git_folders = to, [f"{to}/.git"]


@attack("run", "brief", control=lambda scene: "\x1b" in scene.plainly("git", "log", "-1", "--format=%an"))
def escapes_in_commits_and_branches(scene):
    """A commit's message and author steer the terminal"""
    scene.commit(message=f"{RAW}\n\n{RAW}")
    scene.git("-c", f"user.name={RAW}", "commit", "--allow-empty", "-q", "-m", "x")


@attack("adopt", "status", "log", "brief", "show", "idea", says="bold idea")
def escapes_in_a_journal(scene):
    """The words of a journal that its user takes over steer the terminal"""
    import time

    from overnight.lab.events import Learnt, Noted, Organised
    forged(scene, Noted(time.time(), 1, RAW, RAW, RAW), Learnt(time.time(), RAW, RAW), Organised(time.time(), "x", {RAW: RAW}))


@attack("try", "brief")
def names_that_are_options(scene):
    """Files and branches whose names are options of git, of Python or of a shell"""
    names = ("--upload-pack=x", "-rf", "--output=../../.bashrc", "-c", "$(touch owned)", ";touch owned", ":(top)x", "HEAD", "@{-1}")
    scene.contract(('editable = ["settings.py"]', 'editable = ["settings.py", "-*", "*x"]'))
    scene.commit(dict.fromkeys(names, "x\n"))
    scene.git("update-ref", "refs/heads/--output=x", "HEAD")
    scene.git("update-ref", "refs/heads/HEAD", "HEAD")


@attack("try", "brief")
def names_that_are_no_text(scene):
    """Files whose names are bytes that no text has, hold line breaks, or look like others"""
    for name in (b"\xff\xfe.py", b"a\nb.py", b"tab\t.py", b'quote".py', "\u200bsettings.py".encode(), "ﬁle.py".encode(), b"x" * 250):
        Path(os.fsdecode(os.fsencode(scene.repo) + b"/" + name)).write_text("x\n")
    scene.commit()


@attack("try", "brief")
def files_that_are_no_text(scene):
    """The files that may be edited, the contract's prose and the program are bytes that no text has"""
    scene.commit({"settings.py": b"X = 1.0 # \xff\xfe\x00\n", "program.md": b"\xff\xfe\x00---\n"})


@attack("try", "brief")
def names_of_git_in_disguise(scene):
    """Folders that some file systems take for the git folder hold hooks and a configuration"""
    program = scene.program(scene.folder / "programs/hook.sh")
    for name in (".GIT", ".git ", ".git.", "GIT~1", ".g\u200cit", ".git\u200b"):
        write(scene.repo, {f"{name}/config": f"[core]\n\tfsmonitor = {program}\n", f"{name}/hooks/post-checkout": "#!/bin/sh\n"})


@attack("show", "log", "status", "brief", "report")
def words_of_a_candidate_in_a_night(scene):
    """A candidate's output steers the terminal of whoever looks at the night"""
    scene.commit({"run.py": f"print({RAW!r})\nimport sys\nprint({RAW!r}, file=sys.stderr)\n" + LITTLE["run.py"]})
    lived(scene)
