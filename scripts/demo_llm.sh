#!/bin/sh
# A rehearsal of a night with models, without a key: knobs and a scripted model on a copy of tracks/microgpt under runs/.
# Usage: scripts/demo_llm.sh [DURATION]
set -eu
cd "$(dirname "$0")/.."
lasting=${1:-3min}
number=1
while [ -e "runs/rehearsal-$number" ]; do number=$((number + 1)); done
here=runs/rehearsal-$number
mkdir -p runs
export XDG_STATE_HOME="$PWD/runs/state"  # `make clean` takes it with the rest
cp -R tracks/microgpt "$here"
find "$here" -name __pycache__ -prune -exec rm -rf {} +
cat bench/rehearsal/team.md tracks/microgpt/program.md >"$here/program.md"
git -C "$here" init -q
git -C "$here" add -A
git -C "$here" -c user.name=demo -c user.email=demo@localhost commit -q -m "The track as it comes"

said=$here.url
.venv/bin/python -m overnight.testing.server --script bench/rehearsal/answers.py --latency 2 >"$said" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -f "$said"' EXIT
trap : INT  # the night ends in order, and its report is written all the same
trap 'exit 143' TERM HUP
waited=0
until [ -s "$said" ]; do
    kill -0 $server 2>/dev/null && [ $waited -lt 300 ] || { echo "The scripted server did not start." >&2; exit 1; }
    waited=$((waited + 1))
    sleep 0.1
done
.venv/bin/overnight run "$here" --for "$lasting" --model "server:rehearsal@$(cat "$said")" --price 1,4 --dollars 2
.venv/bin/overnight report "$here" --to "$here/report" >/dev/null
cat <<END

  the chart       $here/report/progress.png
  the report      $here/report/report.html
  the team        $here/program.md
  the commits     git -C $here log --oneline overnight/microgpt
  what was said   XDG_STATE_HOME=$XDG_STATE_HOME .venv/bin/overnight brief $here
  what it cost    XDG_STATE_HOME=$XDG_STATE_HOME .venv/bin/overnight status $here | grep models
                  (the model was scripted, at an invented price: nothing was paid)
END
