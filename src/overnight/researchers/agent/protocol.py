"""The Agent Client Protocol, the client's side of it: one session, one prompt, over two pipes to an agent in a sandbox.

Covered: the agent's messages are bounded in length and number before anything looks at them, and what is no message is passed
over; it is offered no file, no terminal and no login of the user; permissions are granted, for all that they open lies in the
sandbox with it; at the end of its time it is asked to stop, then left to the launcher.
Not covered: what the agent does, which is the sandbox's to bound.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any, cast

from acp import PROTOCOL_VERSION, RequestError, connect_to_agent, schema, text_block
from acp.interfaces import Client
from pydantic import ValidationError

from overnight.researchers.agent.taken import SessionResult

LINE, MOST_BYTES, MOST_MESSAGES, MOST_GARBAGE = 4 << 20, 64 << 20, 200_000, 1000  # of what an agent may say
WORDS = 8 << 10  # characters of its last words
GRACE = 5.0  # seconds that it has to stop once it was asked to
LOGIN = -32000  # the protocol's number for "log in first"


async def converse(reads: int, writes: int, text: str, seconds: float) -> SessionResult:
    """Hold a session over two descriptors, which are closed afterwards."""
    loop, said = asyncio.get_running_loop(), SessionResult()
    reader = asyncio.StreamReader(limit=LINE)
    with open(reads, "rb", buffering=0) as heard, open(writes, "wb", buffering=0) as told:
        source, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), heard)
        sink, flow = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, told)
        try:
            await _session(Pipe(reader, asyncio.StreamWriter(sink, flow, None, loop), said), text, time.monotonic() + seconds)
        finally:
            source.close()
            if not sink.is_closing():
                sink.abort()
            await asyncio.sleep(0)  # for the loop to close them
    return said


async def _session(pipe: Pipe, text: str, until: float) -> None:
    """From the greeting to the end of the prompt."""
    said = pipe.said
    connection: Any = None
    try:
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + until - time.monotonic()):
            cwd = await pipe.place()
            connection = connect_to_agent(cast(Client, Answers()), cast(Any, pipe))
            await connection.initialize(protocol_version=PROTOCOL_VERSION, client_capabilities=schema.ClientCapabilities())
            session = (await connection.new_session(cwd=cwd, mcp_servers=[])).session_id
        await _prompt(connection, session, text, until, said)
    except TimeoutError:
        said.late = True
    except RequestError as error:
        said.login = error.code == LOGIN
        said.trouble = f"it answered with an error: {str(error)[:200]}"
    except ValidationError:
        said.trouble = "it answered what the protocol does not know"
    except (ConnectionError, EOFError):
        said.trouble = pipe.trouble or "it hung up in the middle"
    finally:
        if connection is not None:
            with suppress(ConnectionError, EOFError, TimeoutError):
                await asyncio.wait_for(connection.close(), GRACE)


async def _prompt(connection: Any, session: str, text: str, until: float, said: SessionResult) -> None:
    """Ask, and wait for the end of the answer; past the time, ask it to stop and wait a little more."""
    answer = asyncio.ensure_future(connection.prompt(session_id=session, prompt=[text_block(text)]))
    try:
        done, _ = await asyncio.wait({answer}, timeout=max(0.0, until - time.monotonic()))
        if not done:
            said.late = True
            await connection.cancel(session_id=session)
            await asyncio.wait({answer}, timeout=GRACE)
        if answer.done():
            answer.result()
    finally:
        if not answer.done():
            answer.cancel()


class Answers:
    """What an agent is answered: yes, as often as it asks."""

    async def request_permission(self, session_id: str, tool_call: schema.ToolCallUpdate,
                                 options: list[schema.PermissionOption], **more: Any) -> schema.RequestPermissionResponse:
        """The first option that allows."""
        allows = [option.option_id for option in options if option.kind.startswith("allow")]
        if not allows:
            return schema.RequestPermissionResponse(outcome=schema.DeniedOutcome(outcome="cancelled"))
        return schema.RequestPermissionResponse(outcome=schema.AllowedOutcome(option_id=allows[0], outcome="selected"))


class Pipe:
    """Messages, one a line. Updates go no further."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: SessionResult) -> None:
        self._reader, self._writer, self.said = reader, writer, said
        self._bytes = self._messages = self._garbage = 0
        self.trouble = ""

    async def place(self) -> str:
        """Where the worktree lies, which the launcher says in the first line. Raises EOFError."""
        try:
            return str(json.loads(await self._reader.readline())["cwd"])
        except (ValueError, KeyError, TypeError) as error:
            raise EOFError from error

    async def send(self, message: dict[str, Any]) -> None:
        """Send one message. Raises ConnectionError."""
        self._writer.write(json.dumps(message, separators=(",", ":"), default=str).encode() + b"\n")
        await self._writer.drain()

    async def receive(self) -> dict[str, Any] | None:
        """The next message that is for our side of the connection; None at the end."""
        while (line := await self._line()) is not None:
            message = parsed(line)
            self._garbage += message is None
            self._messages += 1
            if self._messages > MOST_MESSAGES or self._garbage > MOST_GARBAGE:
                self.trouble = "it sent too many messages" if self._garbage <= MOST_GARBAGE else "it did not speak the protocol"
                return None
            if message is not None and "id" not in message:
                self._noted(message)
            elif message is not None:
                return message
        return None

    async def close(self) -> None:
        """Nothing is held here."""

    async def _line(self) -> bytes | None:
        try:
            line = await self._reader.readuntil(b"\n")
        except asyncio.LimitOverrunError:
            self.trouble = f"it sent a message of more than {LINE >> 20} MiB"
            return None
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        self._bytes += len(line)
        if self._bytes > MOST_BYTES:
            self.trouble = f"it sent more than {MOST_BYTES >> 20} MiB"
            return None
        return line

    def _noted(self, message: dict[str, Any]) -> None:
        """Keep what an update says."""
        match message.get("params"):
            case {"update": {"sessionUpdate": "agent_message_chunk", "content": {"text": text}}}:
                self.said.words = (self.said.words + str(text))[-WORDS:]
            case {"update": {"sessionUpdate": "tool_call"}}:
                self.said.words += "\n\n"  # what it says next is another paragraph


def parsed(line: bytes) -> dict[str, Any] | None:
    """A line as a message of JSON-RPC; None for what is none."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("method", ""), str):
        return None
    if not isinstance(message.get("id", 0), int | str) or not isinstance(message.get("error") or {}, dict):
        return None
    return message if "method" in message or "id" in message else None
