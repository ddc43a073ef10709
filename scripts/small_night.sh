#!/bin/sh
# Whether an installed Overnight works: its version, a ready track in a new repository, and a night of seconds on it.
# Usage: scripts/small_night.sh COMMAND VERSION FOLDER STATE      (FOLDER and STATE are made; nothing else is written)
set -eu
command=$1 version=$2 folder=$3
export XDG_STATE_HOME="$4"
fail() { printf '%s\n' "$*" >&2; exit 1; }

[ "$("$command" --version)" = "overnight, version $version" ] || fail "$command --version says: $("$command" --version)"
"$command" init --from synthetic "$folder" >/dev/null
cd "$folder"
"$command" run --experiments 2 >run.log 2>&1 || { tail -n 20 run.log >&2; fail "the night failed."; }
"$command" log --verify >/dev/null
"$command" report >/dev/null
