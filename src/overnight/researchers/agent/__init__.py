"""Any coding agent as a researcher: confined, timed, and judged by the files that it leaves.

Covered: the agent and all that it starts run in the track's sandbox, under the same filter of system calls as a candidate,
with bounds on time, memory, processes, disk and output. It sees a copy of the frontier's tree without the private files, a
repository of its own, the programs that its recipe needs, the variables that its recipe names and a home with nothing in it
but what the recipe copies there. It reaches the hosts of its recipe and nothing else. What it leaves is compared here, as
data: its commits, hooks, settings, links, modes and binaries go nowhere.
Not covered: an agent misled by what it read can spend its key, send its key and whatever it sees to its own
model's host, waste its time, and propose a bad change with fine words; the referee judges the change. A user that names the
agent's command runs that program with that key. With `--sandbox none` nothing of the above holds but the comparison.
"""

from overnight.researchers.agent.propose import Agent, AgentWorkspace

__all__ = ["Agent", "AgentWorkspace"]
