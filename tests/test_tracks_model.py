"""The track prompt with a small real model in its scorer's process: it is asked, and its answers become a share of errors."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from conftest import ROOT
from overnight.testing import local

NEEDS = "model"
PROGRAM = os.environ.get("OVERNIGHT_LOCAL_MODEL") or sys.executable
TOLD = [{"role": "user", "content": "The parcel is lost."}, {"role": "assistant", "content": "delivery"},
        {"role": "user", "content": "The app crashes."}, {"role": "assistant", "content": "technical"},
        {"role": "user", "content": "{ticket}"}]


def test_a_real_model_sorts_tickets(tmp_path):
    track, left = tmp_path / "track", tmp_path / "left"
    shutil.copytree(ROOT / "tracks" / "prompt", track)
    models = (track / "models.py").read_text()
    (track / "models.py").write_text(models.replace('MODEL = "scripted"', 'MODEL = "smollm2"').replace('"smollm2": 24', '"smollm2": 6'))
    left.mkdir()
    (left / "messages.json").write_text(json.dumps(TOLD))
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OVERNIGHT_SEED": "1", "OVERNIGHT_ARTIFACTS": str(left)}
    done = subprocess.run([PROGRAM, "score.py"], cwd=track, env=env, capture_output=True, text=True, timeout=300)
    if done.returncode and "No module named 'xllamacpp'" in done.stderr:
        pytest.skip(local.WANTING)
    found = json.loads(done.stdout)
    assert 0 <= found["error_rate"] < 1, "examples as turns are answered with labels"
    assert found["error_rate"] * 6 == pytest.approx(round(found["error_rate"] * 6))
