"""Train and score once, without a harness and without a sandbox: for those who trust what is in train.py.

    python by_hand.py [seed]
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def main(seed: str = "0") -> None:
    with tempfile.TemporaryDirectory() as folder:
        env = os.environ | {"OVERNIGHT_SEED": seed, "OVERNIGHT_OUT": folder, "OVERNIGHT_ARTIFACTS": folder}
        started = time.perf_counter()
        subprocess.run([sys.executable, "train.py"], cwd=HERE, env=env, check=True)
        trained = time.perf_counter()
        (question, ask), (answer, reply) = os.pipe(), os.pipe()
        serve = [sys.executable, "train.py", "--serve"]
        oracle = subprocess.Popen(serve, cwd=HERE, env=env, stdin=question, stdout=reply)
        os.close(question)
        os.close(reply)
        env |= {"OVERNIGHT_ASK": str(ask), "OVERNIGHT_ANSWER": str(answer)}
        subprocess.run([sys.executable, "score.py"], cwd=HERE, env=env, check=True, pass_fds=(ask, answer))
        os.close(ask)  # the oracle's input ends, and so does the oracle
        oracle.wait()
        print(f"trained in {trained - started:.2f} s, scored in {time.perf_counter() - trained:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:2])
