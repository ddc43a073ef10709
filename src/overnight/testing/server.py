"""A scripted server that speaks the chat-completions protocol of OpenAI, on this machine only: rehearse a night without a key.

    python -m overnight.testing.server --port 8000 --script answers/ --timeouts 0.1 --limits 0.1 --tally tally.json
    overnight run --model server:rehearsal@http://127.0.0.1:8000/v1

It answers from a script, fails in the shares that it is told to, and keeps a count of its own of requests, tokens and price,
which also `GET /tally` shows. With `--tally` the count outlives it: started again, it goes on where it was.

    with Server(lambda messages: "TITLE: ...") as server:
        Model(f"server:anything@{server.url}")
"""

from __future__ import annotations

import argparse
import contextlib
import hmac
import json
import random
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from overnight.errors import OvernightError
from overnight.testing.models import Messages, Says, count, script, shortened, tinker

MOST_REQUEST_BYTES = 32 << 20
HANG_SECONDS = 3600.0  # for which a request that shall time out is held


class Faults(Struct, frozen=True):
    """Shares of the requests that fail: no answer at all, 429, 503; and of the answers that are spoilt."""

    timeouts: float = 0.0
    limits: float = 0.0
    outages: float = 0.0
    malformed: float = 0.0


FLAWLESS = Faults()


class Tally(Struct):
    """The server's own count. `dropped`: those whose client had gone before the answer."""

    requests: int = 0
    answered: int = 0
    timeouts: int = 0
    limits: int = 0
    outages: int = 0
    malformed: int = 0
    dropped: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cached: int = 0
    dollars: float = 0.0


class Refusal(Exception):
    """A request that is refused with a status, a code and headers; status 0: it gets no answer."""

    def __init__(self, status: int, code: str, **headers: str) -> None:
        super().__init__(code)
        self.status, self.code, self.headers = status, code, headers


class Server:
    """The server, from `with` to its end, in threads of its own.

    answer       a function of the messages, or texts that are given in order
    latency      seconds before each answer
    seed         which requests fail follows from it and from their number
    tally        the file that keeps the count
    price        dollars per million tokens (in, out), for its own count
    key, models  if given, what requests must show and ask for
    retry_after  seconds that a 429 asks for
    """

    def __init__(self, answer: Says | Sequence[str] = tinker, faults: Faults = FLAWLESS, *, latency: float = 0.0,
                 seed: int = 0, tally: Path | None = None, port: int = 0, price: tuple[float, float] = (1.0, 4.0),
                 key: str = "", models: tuple[str, ...] = (), retry_after: float = 1.0) -> None:
        self.answer, self.faults, self.latency, self.seed, self.price = answer, faults, latency, seed, price
        self.key, self.models, self.retry_after = key, models, retry_after
        self._file, self._lock, self._stopping = tally, threading.Lock(), threading.Event()
        self.tally = msgspec.json.decode(tally.read_bytes(), type=Tally) if tally and tally.exists() else Tally()
        self._known: set[str] = set()
        self._http = _Listener(("127.0.0.1", port), _Handler)
        self._http.ours = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Its base address, as clients want it."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    # -- one request --

    def completed(self, asked: dict[str, Any], key: str, connection: socket.socket) -> dict[str, Any]:
        """The answer to a request. Raises Refusal."""
        self._admit(asked, key)
        with self._lock:
            number = self.tally.requests
            self.tally.requests += 1
            fault = self._fault(number)
            self._note(**({fault: 1} if fault in ("timeouts", "limits", "outages") else {}))
        if fault == "timeouts":
            self._wait(HANG_SECONDS, connection)
            raise Refusal(0, "no answer")
        if fault in ("limits", "outages"):
            raise Refusal(429, "rate_limit_exceeded", **{"Retry-After": f"{self.retry_after:g}"}) if fault == "limits" else \
                Refusal(503, "unavailable")
        return self._said(asked, number, fault == "malformed", connection)

    def _admit(self, asked: dict[str, Any], key: str) -> None:
        if self.key and not hmac.compare_digest(key.encode(), f"Bearer {self.key}".encode()):
            raise Refusal(401, "invalid_api_key")
        if self.models and asked.get("model") not in self.models:
            raise Refusal(404, "model_not_found")
        messages = asked.get("messages")
        if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
            raise Refusal(400, "no messages")

    def _fault(self, number: int) -> str:
        """What goes wrong with a request; "" nothing."""
        faults = msgspec.structs.asdict(self.faults)
        weights = [*faults.values(), max(0.0, 1.0 - sum(faults.values()))]
        return random.Random(f"{self.seed} {number}").choices([*faults, ""], weights)[0]

    def _said(self, asked: dict[str, Any], number: int, spoil: bool, connection: socket.socket) -> dict[str, Any]:
        messages = [{"role": str(m.get("role")), "content": _text(m.get("content"))} for m in asked["messages"]]
        with self._lock:
            turn = self.tally.answered
        text = self.answer(messages) if callable(self.answer) else self.answer[turn % len(self.answer)]
        if spoil:
            text = spoilt(text, random.Random(f"{self.seed} {number} how"))
        text, cut = shortened(text, int(asked.get("max_completion_tokens") or asked.get("max_tokens") or MOST_REQUEST_BYTES))
        self._wait(self.latency, connection)
        return self._counted(str(asked.get("model")), messages, text, cut, spoil)

    def _counted(self, model: str, messages: Messages, text: str, cut: bool, spoil: bool) -> dict[str, Any]:
        """The answer as the protocol has it. It is counted before it is sent."""
        into, out = sum(count(m["content"]) for m in messages), count(text)
        first = messages[0]["content"] if messages else ""
        with self._lock:
            if self._stopping.is_set():
                raise Refusal(0, "stopped")
            cached = count(first) if first in self._known else 0
            self._known.add(first)
            price = (into * self.price[0] + out * self.price[1]) / 1e6
            self._note(answered=1, malformed=int(spoil), tokens_in=into, tokens_out=out, cached=cached, dollars=price)
        return {"id": "chatcmpl-scripted", "object": "chat.completion", "created": int(time.time()), "model": model,
                "choices": [{"index": 0, "finish_reason": "length" if cut else "stop",
                             "message": {"role": "assistant", "content": text}}],
                "usage": {"prompt_tokens": into, "completion_tokens": out, "total_tokens": into + out,
                          "prompt_tokens_details": {"cached_tokens": cached}}}

    def _wait(self, seconds: float, connection: socket.socket) -> None:
        """Wait, unless the client goes or the server stops: then no client waits for an answer."""
        until = time.monotonic() + seconds
        while True:
            if self._stopping.is_set() or _gone(connection):
                with self._lock:
                    self._note(dropped=1)
                raise Refusal(0, "dropped")
            if (left := until - time.monotonic()) <= 0:
                return
            self._stopping.wait(min(left, 0.05))

    def _note(self, **more: float) -> None:
        """Add to the count, and write it down. Under the lock."""
        for name, value in more.items():
            setattr(self.tally, name, getattr(self.tally, name) + value)
        if self._file is not None:
            fresh = self._file.with_name(self._file.name + ".new")
            fresh.write_bytes(msgspec.json.encode(self.tally))
            fresh.replace(self._file)


def _gone(connection: socket.socket) -> bool:
    """Whether the other side has closed."""
    readable, _, _ = select.select([connection], [], [], 0)
    with contextlib.suppress(OSError):
        return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""
    return True


def _text(content: object) -> str:
    """A message's text, which may come in parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content or "")


def spoilt(text: str, lots: random.Random) -> str:
    """An answer that cannot be used as a change: cut off, without its blocks, or with a search that is found nowhere."""
    way = lots.randrange(3)
    if way == 0:
        return text[:text.find("=======")] if "=======" in text else text[:len(text) // 2]
    if way == 1:
        return "I would be glad to help with that! " + text.partition("FILE:")[0]
    return text.replace(" SEARCH\n", " SEARCH\nno file has this line\n")


# ---- HTTP ------------------------------------------------------------------------------------------------------


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    ours: Server


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """The count, at /tally."""
        found = self.path == "/tally"
        self._send(200 if found else 404, msgspec.to_builtins(self.server.ours.tally) if found else {})

    def do_POST(self) -> None:
        """A completion."""
        try:
            length = int(self.headers.get("Content-Length") or -1)
            if not self.path.endswith("/chat/completions") or not 0 <= length <= MOST_REQUEST_BYTES:
                raise Refusal(404 if 0 <= length <= MOST_REQUEST_BYTES else 400, "not_found")
            asked = json.loads(self.rfile.read(length))
            if not isinstance(asked, dict):
                raise Refusal(400, "no object")
            self._send(200, self.server.ours.completed(asked, self.headers.get("Authorization", ""), self.connection))
        except ValueError:
            self._refuse(Refusal(400, "no JSON"))
        except Refusal as refusal:
            self._refuse(refusal)

    def _refuse(self, refusal: Refusal) -> None:
        error = {"message": f"scripted: {refusal.code}", "type": refusal.code, "code": refusal.code}
        if refusal.status:
            self._send(refusal.status, {"error": error}, **refusal.headers)
        self.close_connection = True

    def _send(self, status: int, body: dict[str, Any], **headers: str) -> None:
        content = json.dumps(body).encode()
        with contextlib.suppress(OSError):
            self.send_response(status)
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(content)), "Connection": "close"}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


# ---- the command -----------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m overnight.testing.server", description="A scripted model server.")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free; it is printed")
    parser.add_argument("--script", type=Path, help="a folder of *.md answers, one such file, or a .py with answer(messages)")
    for name in ("timeouts", "limits", "outages", "malformed"):
        parser.add_argument(f"--{name}", type=float, default=0.0, help="share of the requests, 0 to 1")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--seed", type=int, default=0, help="which requests fail")
    parser.add_argument("--tally", type=Path, help="file that keeps the count over restarts")
    parser.add_argument("--price-in", type=float, default=1.0, help="dollars per million tokens")
    parser.add_argument("--price-out", type=float, default=4.0, help="dollars per million tokens")
    made = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    faults = Faults(made.timeouts, made.limits, made.outages, made.malformed)
    try:
        answer = script(made.script) if made.script else tinker
        with Server(answer, faults, latency=made.latency, seed=made.seed, tally=made.tally, port=made.port,
                    price=(made.price_in, made.price_out)) as server:
            sys.stdout.write(f"{server.url}\n")
            sys.stdout.flush()
            stop.wait()
    except (OvernightError, OSError, msgspec.DecodeError) as error:
        sys.stderr.write(f"overnight.testing.server: {error}{'' if str(error).endswith('.') else '.'}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
