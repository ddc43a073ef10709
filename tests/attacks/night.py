"""A night of attacks: a real track in a real repository, a scripted researcher, the real loop, sandbox and scorer."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from attacks import host, suite
from attacks.suite import Attack
from conftest import repository, trusted
from overnight import loop
from overnight.contracts import Brief, Change, Sandbox
from overnight.execution.runner import Runner
from overnight.lab.events import Faulted, Judged, Measured, Passed, Proposed, Started
from overnight.lab.flight import Budget
from overnight.lab.jobs import Job, Measure, Propose, Result
from overnight.lab.lab import Lab
from overnight.night.effects import LOGS, Effects, keep_logs
from overnight.night.executor import Executor
from overnight.night.session import Session
from overnight.sandbox.unsandboxed import Unsandboxed
from overnight.track.load import load
from overnight.track.roles import Role
from overnight.workers.local import LocalWorkers, Place

CONTRACT = """\
[track]
name = "target"
editable = ["run.py", "lib/**"]

[metric]
name = "loss"
direction = "minimize"
kind = "deterministic"
worthwhile = 0.01
range = [0.0, 1000.0]

[run]
command = ["python", "run.py"]
timeout = "3s"
memory = "128MiB"
disk = "16MiB"
processes = 32
data = ["../data"]

[score]
command = ["python", "score.py"]
timeout = "5s"
memory = "128MiB"
private = ["labels.json"]

[referee]
stack = 1
"""
WARM = "ATTACKS_START_WARM"  # of the environment: whether what is attacked starts warm
if os.environ.get(WARM):
    CONTRACT = CONTRACT.replace("[run]\n", '[run]\npreload = ["decimal", "fractions"]\n')
SCORE = """\
import json, os, sys
try:
    answer = float(open(os.environ["OVERNIGHT_ARTIFACTS"] + "/answer").read(100))
except (OSError, ValueError) as error:
    print(json.dumps({"invalid": "no answer was left: " + type(error).__name__}))
    sys.exit()
print(json.dumps({"loss": abs(answer - json.load(open("labels.json"))["answer"])}))
"""
INSIDE = Path(__file__).with_name("inside.py").read_text()
GROUND = {"track.toml": CONTRACT, "run.py": suite.HONEST, "score.py": SCORE, "labels.json": '{"answer": 3.25}\n',
          "inside.py": INSIDE, "lib/note.txt": "nothing\n"}
BETTER = {"run.py": suite.HONEST.replace("1.0", "2.0") + "# nearer\n"}
LOOKS, AGAIN = 3, 0.05  # at the host after a run, and seconds between two
IDLE = 2  # rounds in which nothing is proposed any more, after which a night is given up


@dataclass
class Told:
    """What the loop said of one attack, and what differed on the host after its runs."""

    verdict: str = "open"
    reason: str = ""
    log: str = ""
    seconds: float = 0.0
    commit: str = ""
    changed: list[str] = field(default_factory=list)


class Script:
    """A researcher that proposes the attacks one after another."""

    name = "script"

    def __init__(self, attacks: Sequence[Attack]) -> None:
        self.left, self.last = list(attacks), ""
        self.briefs: list[Brief] = []

    def propose(self, brief: Brief) -> Change | None:
        """The next attack."""
        self.briefs.append(brief)
        if brief.again is not None or not self.left:
            return None
        attack = self.left.pop(0)
        self.last = attack.name
        return Change(dict(attack.files), attack.message or attack.name)


class Night:
    """Runs attacks on a track in the bait's folder, one job at a time, and looks at the host before and after each run."""

    def __init__(self, bait: host.Bait, attacks: Sequence[Attack], sandbox: Sandbox, ground: dict[str, str],
                 better: dict[str, str], prepare: Callable[[Path], None]) -> None:
        self.sandbox, self.bait = sandbox, bait
        self.folder = repository(bait.folder / "target", GROUND | {"bait.py": self.bait.module()} | ground)
        prepare(self.folder)
        self.told = {attack.name: Told() for attack in attacks}
        self.faults: list[str] = []
        self.verdicts: dict[int, tuple[str, str]] = {}
        self._owner: dict[int, str] = {}
        self._commits: dict[str, str] = {}
        self._passed: deque[str] = deque()  # attacks that made no commit, in their order
        self._alone = threading.Lock()
        self.session = Session(trusted(self.folder))
        before = host.state(self.bait)
        with self.session.writing() as state:
            lab = Lab(state)
            script = Script(attacks)
            self._run(lab, script)
            self.briefs = script.briefs
            self._run(lab, Script([Attack("an honest improvement", "control", better, "nothing")]))
        self.honest = self.verdicts.get(max(self.verdicts, default=0), ("open", ""))[0]
        self.changed = host.differences(before, host.state(self.bait))

    # -- the loop --

    def _run(self, lab: Lab, script: Script) -> None:
        """Sessions until everything is proposed and judged; several changes that git cannot hold end one early."""
        executor = Executor(self.session, self.sandbox)
        executor.desk.team.researchers = {script.name: script}
        effects = Effects(self.session, executor.runner)
        lab.organise([Role(script.name, script.name)])
        idle = 0
        while (script.left or lab.state.open) and idle < IDLE:
            left = len(script.left)
            self.session.record([Started(time.time(), 1, self.sandbox.name, "0", lab.roster.proposers)])
            places = LocalWorkers(lambda job, place: self._work(executor, script, job, place), 1, 1)
            try:
                self.session.journal.extend(lab.begin(Budget(experiments=len(script.left) or 1), time.time()))
                loop.run(lab, places, self.session.journal, partial(self._follow, effects), self._watch,
                         keep=partial(keep_logs, self.session.home / LOGS))
            finally:
                places.close()
                executor.runner.close()
            idle += len(script.left) == left
        self.faults += [lab.problem] if lab.problem else []

    def _work(self, executor: Executor, script: Script, job: Job, place: Place) -> Result:
        with self._alone:
            if not isinstance(job, Measure):
                result = executor.work(job, place)
                if commit := getattr(result, "commit", ""):
                    self._commits[commit] = script.last
                elif isinstance(job, Propose):
                    self._passed.append(script.last)
                return result
            before = host.state(self.bait)
            try:
                return executor.work(job, place)
            finally:
                name = self._commits.get(job.commit, "")
                if name in self.told:
                    self.told[name].changed += self._changed(before)

    def _changed(self, before: dict[str, Any]) -> list[str]:
        """What is not as before; what another thread of ours has open for a moment is not there when one looks again."""
        for _ in range(LOOKS):
            if not (found := host.differences(before, host.state(self.bait))):
                break
            time.sleep(AGAIN)
        return found

    def _follow(self, effects: Effects, event: Any) -> None:
        with self._alone:
            effects.follow(event)

    def _watch(self, events: Sequence[Any]) -> None:
        """Take up what happened."""
        with self._alone:
            self._take_up(events)

    def _take_up(self, events: Sequence[Any]) -> None:
        for event in events:
            if isinstance(event, Proposed):
                self._owner[event.experiment] = self._commits.get(event.commit, event.message)
            elif isinstance(event, Passed):
                self._refused(event)
            elif isinstance(event, Faulted):
                self.faults.append(event.reason)
            elif isinstance(event, Judged):
                self.verdicts[event.experiment] = (event.verdict, event.reason)
            told = self.told.get(self._owner.get(getattr(event, "experiment", 0), ""))
            if told is not None:
                self._tell(told, event)

    def _refused(self, event: Passed) -> None:
        told = self.told.get(self._passed.popleft())
        if told is not None and told.verdict == "open" and event.reason != "nothing left to try":
            told.verdict, told.reason = "refused", event.reason

    def _tell(self, told: Told, event: Any) -> None:
        if isinstance(event, Proposed):
            told.commit = event.commit
        elif isinstance(event, Measured):
            told.seconds += event.busy + sum(event.overhead.values())
            told.log += said(self.session.home / "logs", event.log)
        elif isinstance(event, Judged):
            told.verdict, told.reason = event.verdict, event.reason

    # -- what it came to --

    def leaks(self) -> list[str]:
        """Files of ours that hold what only the bait holds."""
        kept = [p for p in self.session.home.rglob("*") if p.is_file()]
        return [str(p) for p in kept if self.bait.flag.encode() in p.read_bytes()]

    def unsandboxed(self, attack: Attack) -> str:
        """The log of the same candidate without any sandbox, how it ended and what the scorer gave it. The track's key is
        known here, for there is none."""
        repo = self.session.repo
        commit = repo.commit(repo.head(), attack.files, attack.name)
        home = self.bait.folder / "plain"
        runner = Runner(load(self.folder), repo, Unsandboxed(), repo.head(), home)
        measured = runner.measure(Measure(1, 1, commit, 1, "race"))
        keep_logs(home / "logs", measured)
        numbers = " ".join(f"{name}={value}" for name, value in measured.metrics.items())
        return said(home / "logs", measured.log) + f"\n{measured.reason}\n{numbers}"


def said(logs: Path, name: str) -> str:
    """What was said in a run, and while it was scored."""
    both = [logs / name, logs / name.replace(".log", "-score.log")]
    return "".join(log.read_text(errors="replace") for log in both if log.exists())
