"""The `agent` researcher: any coding agent, confined to a sandbox with a worktree of its own; the changed files are
the proposal."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct

from overnight.contracts import Brief, Change, Command, Ended, Limits, Process, Sandbox
from overnight.errors import Away, EditError, Fault, extra
from overnight.execution.mounts import interpreter
from overnight.researchers.agent import launcher, programs, recipes, taken
from overnight.researchers.agent.gate import Gate, Resolve, looked_up
from overnight.researchers.agent.recipes import AgentAccess
from overnight.researchers.agent.taken import AgentOutput, SessionResult
from overnight.track import regions
from overnight.track.roles import Role
from overnight.track.spec import RunSpec, Track
from overnight.track.units import size

LAUNCHER = Path(launcher.__file__).resolve()
INSTRUCTIONS = Path(__file__).with_name("instructions.md")
WORDS = "OVERNIGHT.md"  # the file in which an agent says what it did
MEMORY, DISK, PROCESSES, OUTPUT = 4 << 30, 1 << 30, 512, 64 << 20
SAVING = 30.0  # seconds beyond the agent's time, in which its launcher ends it and leaves its files
IN_A_ROW = 3  # attempts that failed one after the other, after which the agent rests
REST_SECONDS, MOST_REST_SECONDS = 60.0, 3600.0  # of rest then, doubled with each further failure up to the second
UNREACHED = 300.0  # seconds of rest where the model's host could not be reached
PATHS = "/usr/local/bin:/usr/bin:/bin"
ENDED = {"time": "it outlived its own launcher", "memory": "it took more memory than it may",
         "output": f"it printed more than {OUTPUT >> 20} MiB", "disk": "it wrote more than it may"}


class AgentWorkspace(Struct, frozen=True):
    """The place in which agents of a track work.

    tree      a clean tree of a commit, without private files
    scratch   a folder for short-lived files
    prefix    the track's folder in the tree: "" or "path/"
    python    what `python` means in there, and what must be mounted for it and for the track's data
    secrets   paths that no mount may open
    untrusted the repository: a program that lies in it gets no key and reaches no host
    """

    tree: Callable[[str], Path]
    scratch: Path
    prefix: str = ""
    python: str = ""
    mounts: tuple[Path, ...] = ()
    secrets: tuple[Path, ...] = ()
    untrusted: Path | None = None


class Agent:
    """A researcher that proposes what a coding agent changed. `page` writes the brief; `environ` is the user's environment;
    `resolve` looks up the hosts."""

    def __init__(self, role: Role, track: Track, sandbox: Sandbox, workspace: AgentWorkspace, page: Callable[[Brief], str],
                 environ: Mapping[str, str] | None = None, resolve: Resolve = looked_up) -> None:
        self.name = role.name
        self._role, self._track, self._sandbox, self._workspace, self._page = role, track, sandbox, workspace, page
        self._environ = dict(os.environ) if environ is None else dict(environ)
        self._resolve, self._home = resolve, Path(self._environ.get("HOME") or "/")
        self._call = recipes.understood(role, recipes.load(self._environ))
        if self._call.acp:
            with extra("agents", f"role '{role.name}', which speaks the Agent Client Protocol,"):
                importlib.import_module("acp")
        self._own_python, self._own_mounts = interpreter(RunSpec(command=("python",)), Path("/"))
        self._lock, self._running, self._failed = threading.Lock(), set[Process](), 0

    def propose(self, brief: Brief) -> Change | None:
        """Let the agent work on the brief's commit. Raises EditError, Away, and Fault when the machine failed."""
        way = recipes.way(self._call.recipe, self._environ)
        if way is None:
            raise Away(f"'{self.name}' has no key: set {' or '.join(self._call.recipe.keys)} and run again.")
        program = self._program()
        if self._is_untrusted(program):
            way = AgentAccess({}, {}, {})
        text = self._page(brief) + self._instructions()
        scratch = self._workspace.scratch
        scratch.mkdir(parents=True, exist_ok=True)
        with (tempfile.TemporaryDirectory(prefix="agent-", dir=scratch, ignore_cleanup_errors=True) as made,
              closing(Gate(way.allowed, self._resolve)) as gate):
            folder = Path(made)
            folder.chmod(0o755)  # the agent is another user
            command = self._command(brief, folder, way, program, gate)
            write(folder / "inputs", text, self._job(program, way, gate))
            if self._call.acp:
                ended, said = self._conversed(command, gate, text)
            else:
                with self._started(command, gate) as process:
                    ended = process.wait()
                said = SessionResult(words=taken.last_words(ended.stdout))
            left = taken.leavings(folder / "left")
            self._must_be_whole(ended, left, said, gate)
            assert left is not None
            return self._change(brief, folder / "left", left, said, gate)

    def stop(self) -> None:
        """End every agent that is at work; its `propose` then raises EditError."""
        with self._lock:
            for process in self._running:
                process.kill()

    # -- what it is given --

    def _program(self) -> programs.Program:
        """What runs. Raises Away where it is not installed."""
        word = self._call.argv[0]
        if word in ("python", "python3") and self._workspace.python:
            return programs.Program(self._workspace.python, (str(Path(self._workspace.python).parent),), ())
        return programs.found(word, self._environ.get("PATH", PATHS))

    def _is_untrusted(self, program: programs.Program) -> bool:
        """Whether the program came with the repository, so that it gets no key and reaches no host whatever its name is."""
        place = self._workspace.untrusted
        return place is not None and Path(program.path).resolve().is_relative_to(place)

    def _instructions(self) -> str:
        left, head = self._role.patience, self._track.track
        within = f" (only the lines between {' and '.join(regions.ends(head.region))})" if head.region else ""
        return INSTRUCTIONS.read_text(encoding="utf-8").format(
            editable=", ".join(f"`{glob}`" for glob in head.editable) + within, words=WORDS,
            run=" ".join(self._track.run.command), time=f"{left / 60:.0f} minutes" if left >= 120 else f"{left:.0f} seconds")

    def _job(self, program: programs.Program, way: AgentAccess, gate: Gate) -> dict[str, object]:
        """What the launcher is to do."""
        return {"argv": [program.path, *self._call.argv[1:]], "acp": self._call.acp, "cwd": self._workspace.prefix or ".",
                "seconds": self._role.patience + (2 * launcher.GRACE if self._call.acp else 0), "words": WORDS,
                "home": [[str(path), name] for name, path in self._copied()],
                "line": gate.theirs.fileno(), "proxy": bool(way.allowed), "routes": way.routes}

    def _copied(self) -> list[tuple[str, Path]]:
        """What the recipe names of the user's home, as far as it is there: by its name in it, and where it lies."""
        return [(name, (self._home / name).resolve()) for name in self._call.recipe.home if (self._home / name).exists()]

    def _command(self, brief: Brief, folder: Path, way: AgentAccess, program: programs.Program, gate: Gate) -> Command:
        """The launcher with the agent, as it is shut in."""
        further = [Path(path).expanduser().resolve() for path in self._call.recipe.mounts]
        named = [*(path for _, path in self._copied()), *further]
        programs.refuse([*named, *program.mounts], self._workspace.secrets, self._home)
        trusted, variables = programs.certificates()
        folders = [str(Path(self._workspace.python).parent)] if self._workspace.python else []
        env = variables | way.env | {"PATH": ":".join(dict.fromkeys([*folders, *program.folders, *PATHS.split(":")]))}
        run = self._track.run
        limits = Limits(wall=self._role.patience + SAVING, memory=max(MEMORY, size(run.memory) + MEMORY // 2),
                        disk=max(DISK, size(run.disk)), processes=PROCESSES + run.processes, output=OUTPUT)
        mounts = [*self._own_mounts, LAUNCHER, *self._workspace.mounts, *program.mounts, *trusted, *named]
        return Command(argv=(self._own_python, "-I", "-S", str(LAUNCHER)), tree=self._workspace.tree(brief.commit), env=env,
                       limits=limits, mounts=narrowed(mounts), inputs=folder / "inputs", harvest=folder / "left",
                       fds=(gate.theirs.fileno(),), network="loopback", gpus=run.gpus)

    # -- its time --

    @contextmanager
    def _started(self, command: Command, gate: Gate) -> Iterator[Process]:
        """The agent's process, which `stop` can end. Raises Fault, Away."""
        process = self._begun(command)
        gate.theirs.close()  # the launcher holds it now, so that its death is heard
        with self._lock:
            self._running.add(process)
        try:
            yield process
        finally:
            with self._lock:
                self._running.discard(process)

    def _begun(self, command: Command) -> Process:
        """Start a command. Raises Fault; Away where others can be started here, so that what is mounted for it is at fault."""
        try:
            return self._sandbox.start(command)
        except Fault:
            bare = msgspec.structs.replace(command, argv=("/bin/true",), env={}, mounts=(), inputs=None, harvest=None,
                                           stdin=None, stdout=None, fds=(), gpus=False)
            if self._sandbox.start(bare).wait().code:
                raise
        try:
            return self._sandbox.start(command)
        except Fault as fault:
            raise Away(f"'{self.name}' cannot be shown its program, or what its recipe mounts{_shown(str(fault))}.") from fault

    def _conversed(self, command: Command, gate: Gate, text: str) -> tuple[Ended, SessionResult]:
        """An agent that speaks the protocol: it has ended when it has answered."""
        from overnight.researchers.agent import protocol  # slow to import, and in an extra

        with ExitStack() as held:
            ours, theirs = held.enter_context(ExitStack()), held.enter_context(ExitStack())
            stdin, told = _pipe(theirs, ours)
            heard, stdout = _pipe(ours, theirs)
            process = held.enter_context(self._started(msgspec.structs.replace(command, stdin=stdin, stdout=stdout), gate))
            theirs.close()
            beside = held.enter_context(ThreadPoolExecutor(1))  # this thread started the process and outlives it
            waiting = beside.submit(process.wait)
            try:
                said = asyncio.run(protocol.converse(os.dup(heard), os.dup(told), text, self._role.patience))
            finally:
                ours.close()
                gate.hang_up()
            said.words = taken.last_words(said.words.encode(errors="replace"))
            return waiting.result(), said

    # -- what came of it --

    def _must_be_whole(self, ended: Ended, left: AgentOutput | None, said: SessionResult, gate: Gate) -> None:
        """Raise EditError or Away unless the agent came to an end from which its files can be taken."""
        words = taken.last_words(ended.stderr)
        if ended.killed:
            raise EditError(f"the agent was ended: {ENDED.get(ended.killed, 'it was stopped from outside')}.")
        if left is None:
            raise EditError(f"the agent ended its own launcher, so nothing that it left can be taken{_shown(words)}.")
        if left.code == launcher.UNSTARTED:
            raise Away(f"'{self.name}' cannot work{_shown(words)}.")
        if said.login:
            keys = " or ".join(self._call.recipe.keys) or "the key of its recipe"
            raise Away(f"'{self.name}' needs a login: set {keys} and run again.")
        if left.code is None or said.late or not (left.code or said.trouble):
            self._failed = 0
            return
        how = said.trouble or (f"it ended with status {left.code}" if left.code > 0 else f"signal {-left.code} ended it")
        sentence = f"the agent failed: {how}{_shown(words or said.words)}."
        if gate.unreached and not gate.received:
            raise Away(f"'{self.name}' has no way to its model: {gate.unreached}.", UNREACHED)
        self._failed += 1
        if self._failed >= IN_A_ROW:
            raise Away(f"{self._failed} times in a row, {sentence}",
                       min(MOST_REST_SECONDS, REST_SECONDS * 2.0 ** (self._failed - IN_A_ROW)))
        raise EditError(sentence)

    def _change(self, brief: Brief, harvest: Path, left: AgentOutput, said: SessionResult, gate: Gate) -> Change:
        """The difference of the files. Raises EditError."""
        workspace = self._workspace
        difference = taken.Difference(left, harvest, workspace.tree(brief.commit), workspace.prefix, self._track, WORDS)
        try:
            change = taken.change(difference, left, said.words, self.name)
        except EditError as error:
            if left.code is None or said.late:
                raise EditError(f"the agent did not end within {self._role.patience:g} s; {error}") from error
            raise
        note = change.note | ({"refused hosts": gate.refused[:10]} if gate.refused else {})
        return msgspec.structs.replace(change, note=note, idea=brief.idea.id if brief.idea is not None else 0)


def write(folder: Path, text: str, job: dict[str, object]) -> None:
    """What the launcher finds: the brief, and its job."""
    folder.mkdir(mode=0o755)
    for name, content in (("brief.md", text), ("job.json", json.dumps(job))):
        (folder / name).write_text(content, encoding="utf-8")
        (folder / name).chmod(0o644)
    folder.chmod(0o755)  # whatever the umask: the agent is another user


def narrowed(mounts: Iterable[Path]) -> tuple[Path, ...]:
    """Mounts without those that others hold."""
    once = list(dict.fromkeys(mounts))
    return tuple(m for m in once if not any(m != other and m.is_relative_to(other) for other in once))


def _pipe(reading: ExitStack, writing: ExitStack) -> tuple[int, int]:
    """A pipe, each end of which is closed with its stack."""
    ends = os.pipe()
    for stack, end in zip((reading, writing), ends, strict=True):
        stack.callback(os.close, end)
    return ends


def _shown(words: str) -> str:
    return f" ({line})" if (line := taken.last_line(words)) else ""
