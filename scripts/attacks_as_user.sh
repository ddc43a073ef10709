#!/bin/sh
# Runs the attack suite as an ordinary user, and opens the hostile repositories of tests/hostile as one. As root it gives
# the user named in $AS, or one made for it, a copy of this clone.
# Usage: scripts/attacks_as_user.sh [ARGUMENTS OF PYTEST]
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}

if [ "$(id -u)" != 0 ]; then
    PYTHONPATH=src:tests "$python" -m attacks "$@"
    PYTHONPATH=src:tests exec "$python" -m pytest -p no:cacheprovider tests/hostile
fi

[ -n "${AS:-}" ] || exec scripts/with_user.sh scripts/attacks_as_user.sh "$@"
user=$AS
home=$(getent passwd "$user" | cut -d: -f6)
mkdir "$home/clone" "$home/tmp"
cp -R src tests pyproject.toml "$home/clone"
base=$("$python" -c 'import sys; print(sys._base_executable)')
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
if ! runuser -u "$user" -- "$base" -c '' 2>/dev/null; then # it lies where only root may look
    prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
    mkdir "$home/python"
    tar -C "$prefix" --exclude=site-packages --exclude=test -cf - . | tar -C "$home/python" -xf -
    base=$home/python/bin/$(basename "$base")
    libraries=$home/python/lib # its own, not another build's of the same version
fi
if ! runuser -u "$user" -- test -r "$packages/pytest/__init__.py"; then
    cp -R "$packages" "$home/packages"
    packages=$home/packages
fi
chown -R "$user:" "$home"
cd "$home/clone"
as_user() {
    runuser -u "$user" -- env -i PATH="$PATH" HOME="$home" TMPDIR="$home/tmp" LANG=C.UTF-8 PYTHONPATH="src:tests:$packages" \
        PYTHONDONTWRITEBYTECODE=1 ${libraries:+LD_LIBRARY_PATH="$libraries"} "$base" -m "$@"
}
as_user attacks "$@"
as_user pytest -p no:cacheprovider tests/hostile
