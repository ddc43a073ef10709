#!/bin/sh
# The main job, on a real model: three minutes of research on a copy of tracks/microgpt under runs/.
# Usage: scripts/demo.sh [DURATION]
set -eu
cd "$(dirname "$0")/.."
lasting=${1:-3min}
number=1
while [ -e "runs/demo-$number" ]; do number=$((number + 1)); done
here=runs/demo-$number
mkdir -p runs
export XDG_STATE_HOME="$PWD/runs/state"  # `make clean` takes it with the rest
exec .venv/bin/overnight demo "$here" --for "$lasting"
