"""An agent that speaks the Agent Client Protocol, by the official SDK, and does as its first word says. A process of its
own: `python acp_agent.py good`."""

import asyncio
import os
import sys
import time
from pathlib import Path

from acp import (
    PROTOCOL_VERSION,
    InitializeResponse,
    NewSessionResponse,
    PromptResponse,
    RequestError,
    run_agent,
    start_tool_call,
    update_agent_message_text,
)
from acp.schema import PermissionOption, ToolCallUpdate

HOW = sys.argv[1]


def write(raw):
    """Bytes past the SDK, which has made standard output one that may be full."""
    while raw:
        try:
            raw = raw[os.write(1, raw):]
        except BlockingIOError:
            time.sleep(0.01)


class Little:
    """Edits one file in its session's folder, once it was allowed to."""

    def on_connect(self, client):
        """The other side."""
        self._client = client

    async def initialize(self, protocol_version, client_capabilities=None, client_info=None, **more):
        """The greeting."""
        assert not client_capabilities.terminal and not client_capabilities.fs.write_text_file
        return InitializeResponse(protocol_version=PROTOCOL_VERSION)

    async def new_session(self, cwd, mcp_servers=None, **more):
        """A session in a folder."""
        if HOW == "login":
            raise RequestError.auth_required()
        assert Path(cwd) == Path.cwd() and mcp_servers == []
        self._folder = Path(cwd)
        return NewSessionResponse(session_id="s1")

    async def prompt(self, prompt, session_id, message_id=None, **more):
        """The work."""
        if HOW == "refuses":
            raise RequestError.internal_error({"details": "the model is down"})
        await self._say(session_id, f"I was asked: {prompt[0].text.splitlines()[0]}.")
        if HOW == "dies":
            (self._folder / "settings.py").write_text("half")
            os._exit(9)
        if HOW == "floods":
            while True:
                await self._say(session_id, "x" * 100_000)
        if HOW == "long line":
            write(b"x" * (8 << 20) + b"\n")
        if HOW == "odd":
            for line in (b"[]", b"{}", b'{"id": []}', b'{"id": 1, "error": 3}', b"[" * 100_000, b'{"method": 5}', b"\xff\xfe", b"hello",
                         b'{"method": "session/update", "params": {"update": {"content": 7, "sessionUpdate": "agent_message_chunk"}}}'):
                write(line + b"\n")
        allowed = await self._allowed(session_id)
        await self._outside(session_id)
        (self._folder / "settings.py").write_text(f"X = {2 if allowed else 1}\n")
        await self._client.session_update(session_id, start_tool_call("t1", "edit settings.py"))
        await self._say(session_id, "Set X to two.\n")
        await self._say(session_id, "It is more than one.")
        while HOW == "never ends":
            await asyncio.sleep(1)
        return PromptResponse(stop_reason="end_turn")

    async def cancel(self, session_id, **more):
        """Asked to stop, it only takes a note of it."""
        (self._folder / "more/cancelled.py").write_text("asked = True\n")

    async def _say(self, session, text):
        await self._client.session_update(session, update_agent_message_text(text))

    async def _allowed(self, session):
        """Whether the edit may be made."""
        options = [PermissionOption(option_id="no", name="No", kind="reject_once"),
                   PermissionOption(option_id="yes", name="Yes", kind="allow_once")]
        answer = await self._client.request_permission(session_id=session, options=options,
                                                       tool_call=ToolCallUpdate(tool_call_id="t1", title="edit"))
        return answer.outcome.outcome == "selected" and answer.outcome.option_id == "yes"

    async def _outside(self, session):
        """It asks for a file of ours, which it must not get."""
        try:
            await self._client.read_text_file(session_id=session, path="/etc/hostname")
        except RequestError:
            return
        raise SystemExit("it read a file of the client's")


if HOW == "garbage":
    while True:
        print("Welcome to the agent!" * 10, flush=True)
if HOW == "silent":
    time.sleep(600)
asyncio.run(run_agent(Little()))
