"""Ask a model of your choice, over HTTP and outside every sandbox: for those who trust what is in prompt.py.

    python by_hand.py --url http://127.0.0.1:8080/v1 --model NAME [--tickets 100] [--seed 0] [--holdout] [--key VARIABLE]
    python by_hand.py --url ... --model NAME --before main        also the prompt of a git revision, on the same tickets

Prints the error rate of the prompt as it is now and, with --before, by how much it is better, with a 95 % interval. --key names
the environment variable that holds the key, where the model's host asks for one. Nothing is kept by what this prints.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
WAIT = 120  # seconds for one answer
DEVIATIONS = 1.96  # of a 95 % interval


def told(source: str, seed: int) -> list:
    """The messages that a prompt.py with this text leaves."""
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"OVERNIGHT_SEED": str(seed), "OVERNIGHT_OUT": folder}
        subprocess.run([sys.executable, "-c", source], cwd=HERE, env=env, check=True)
        return json.loads(Path(folder, "messages.json").read_text(encoding="utf-8"))


def asked(options, messages: list) -> str:
    """A model's answer, by the chat-completions protocol of OpenAI."""
    body = json.dumps({"model": options.model, "messages": messages, "max_tokens": 8, "temperature": 0}).encode()
    headers = {"Content-Type": "application/json"}
    if options.key:
        headers["Authorization"] = f"Bearer {os.environ[options.key]}"
    request = urllib.request.Request(f"{options.url.rstrip('/')}/chat/completions", body, headers)
    with urllib.request.urlopen(request, timeout=WAIT) as answer:
        return json.load(answer)["choices"][0]["message"]["content"] or ""


def errors(options, source: str, drawn: list) -> list:
    """For each ticket 1 where a prompt made the model sort it wrongly, else 0."""
    from score import is_right, with_ticket
    messages = told(source, options.seed)
    return [int(not is_right(asked(options, with_ticket(messages, ticket)), label)) for ticket, label in drawn]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--before", metavar="REVISION")
    parser.add_argument("--tickets", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--key", metavar="VARIABLE")
    parser.add_argument("--holdout", action="store_true", help="tickets in the other words")
    options = parser.parse_args()
    from tickets import draw, wordings
    words = wordings(HERE / ("holdout.json" if options.holdout else "wordings.json"))
    drawn = draw(options.tickets, random.Random(options.seed), words)
    now = errors(options, (HERE / "prompt.py").read_text(encoding="utf-8"), drawn)
    print(f"error_rate {statistics.fmean(now):.4f}  ({len(now)} tickets)")
    if options.before:
        show = ["git", "show", f"{options.before}:./prompt.py"]
        source = subprocess.run(show, cwd=HERE, check=True, capture_output=True, text=True).stdout
        gains = [a - b for a, b in zip(errors(options, source, drawn), now, strict=True)]
        radius = DEVIATIONS * statistics.stdev(gains) / len(gains) ** 0.5
        better = statistics.fmean(gains)
        print(f"better by  {better:.4f}  [{better - radius:+.4f}, {better + radius:+.4f}]  than {options.before}")


if __name__ == "__main__":
    main()
