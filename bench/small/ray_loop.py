"""Trials of Ray Tune, one after the other, each of which runs `python train.py`: when each began, as a list of seconds.

    python ray_loop.py FOLDER PYTHON TRIALS [reuse]
"""

import json
import os
import subprocess
import sys
import time

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AIR_NEW_OUTPUT": "0", "RAY_DEDUP_LOGS": "0"}

import ray
from ray import tune


def trial(config):
    began = time.monotonic()
    out = config["folder"]
    subprocess.run([config["python"], "train.py"], cwd=out, env=os.environ | {"OVERNIGHT_OUT": out}, check=True)
    with open(out + "/number") as file:
        tune.report({"number": float(file.read()), "began": began})


if __name__ == "__main__":
    folder, python, trials, reuse = sys.argv[1:5]
    ray.init(include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    space = {"folder": folder, "python": python, "x": tune.uniform(0.0, 1.0)}
    tuned = tune.TuneConfig(num_samples=int(trials), metric="number", mode="min", max_concurrent_trials=1,
                            reuse_actors=bool(reuse))
    results = tune.Tuner(trial, param_space=space, tune_config=tuned, run_config=tune.RunConfig(verbose=0)).fit()
    print(json.dumps([result.metrics["began"] for result in results]))
