#!/bin/sh
# Sets up what Overnight needs: git and bubblewrap from the system, a virtual environment in .venv.
# Usage: scripts/setup.sh [EXTRAS]     (of pyproject.toml, like "llm" or "llm,mcp"; "dev" is all of them and what the tests need)
# Charts, the web page and recognising ideas in other words are extras as well, and always come along.
set -eu
cd "$(dirname "$0")/.."
extra=${1:-}

say() { printf '%s\n' "$*" >&2; }

if [ "$(uname -s)" != Linux ]; then
    say "Overnight needs Linux for its sandbox (bubblewrap): run it in a Linux virtual machine or container until another backend is there."
    exit 1
fi

# -- Python ------------------------------------------------------------------------------------------------------
python=
for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$(command -v "$candidate")
        break
    fi
done
uv=$(command -v uv || true)

# -- system packages ---------------------------------------------------------------------------------------------
missing=
command -v git >/dev/null 2>&1 || missing="$missing git"
command -v bwrap >/dev/null 2>&1 || missing="$missing bubblewrap"
[ -n "$python" ] || missing="$missing python3"
if [ -z "$uv" ] && ! { [ -n "$python" ] && "$python" -c 'import ensurepip, venv' 2>/dev/null; }; then
    missing="$missing python3-venv"
fi
if [ -n "$missing" ]; then
    as_root=
    [ "$(id -u)" = 0 ] || as_root="sudo -n"
    if command -v apt-get >/dev/null 2>&1 && { [ -z "$as_root" ] || $as_root true 2>/dev/null; }; then
        say "installing$missing"
        # shellcheck disable=SC2086
        { $as_root apt-get update -qq && DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing; } >/dev/null || {
            say "The system packages could not be installed; try it yourself and run this again:  apt-get install -y$missing"
            exit 1
        }
    elif command -v apt-get >/dev/null 2>&1; then
        say "These system packages are missing; install them and run this again:  sudo apt-get install -y$missing"
        exit 1
    else
        say "These programs are missing:$missing. Install them with your package manager and run this again."
        exit 1
    fi
    [ -n "$python" ] || python=$(command -v python3)
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "Overnight needs Python 3.11 or newer; $python is $("$python" -V). Install one and name it: PYTHON=python3.12 make setup"
    exit 1
fi

# -- virtual environment -----------------------------------------------------------------------------------------
stamp=.venv/.ready-${extra:-base}
if [ -f "$stamp" ] && [ ! pyproject.toml -nt "$stamp" ] && [ ! constraints.txt -nt "$stamp" ] && .venv/bin/python -c '' 2>/dev/null; then
    exit 0
fi
say "setting up .venv (once; about a minute)"
what=".[charts,similarity,web${extra:+,$extra}]"
if [ -n "$uv" ]; then
    [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null || uv venv -q --clear --python "$python" .venv
    uv pip install -q --python .venv/bin/python -c constraints.txt -e "$what"
else
    [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip' 2>/dev/null || "$python" -m venv --clear .venv
    .venv/bin/python -m pip install -q --disable-pip-version-check --no-input -c constraints.txt -e "$what"
fi
"$python" -m compileall -q src # once, also where Python is told to write none: else each command compiles all it needs
touch "$stamp"
[ -z "$extra" ] || touch .venv/.ready-base
