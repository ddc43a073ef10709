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
cp -R tracks/microgpt "$here"
find "$here" -name __pycache__ -prune -exec rm -rf {} +
git -C "$here" init -q
git -C "$here" add -A
git -C "$here" -c user.name=demo -c user.email=demo@localhost commit -q -m "The track as it comes"
.venv/bin/overnight run "$here" --for "$lasting"
.venv/bin/overnight report "$here" --to "$here/report" >/dev/null
cat <<END

  the chart       $here/report/progress.png
  the report      $here/report/report.md
  the commits     git -C $here log --oneline overnight/microgpt
  one experiment  XDG_STATE_HOME=$XDG_STATE_HOME .venv/bin/overnight show 1 $here
  the journal     XDG_STATE_HOME=$XDG_STATE_HOME .venv/bin/overnight log --verify $here
END
