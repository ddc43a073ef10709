#!/bin/sh
# Makes a release ready, and stops before anything is uploaded.
# Usage: scripts/release.sh            builds into dist/, compares, installs each afresh, runs a small night there
# PYTHON names the interpreter that builds and installs (default: .venv/bin/python, with the package "build").
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
say() { printf '%s\n' "$*" >&2; }
stop() { say "release: $*"; exit 1; }

# -- the version is the same everywhere, and nothing is left uncommitted --------------------------------------------
version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' src/overnight/__init__.py)
[ -n "$version" ] || stop "src/overnight/__init__.py names no version."
grep -q "^## $version " CHANGELOG.md || stop "CHANGELOG.md has no section '## $version DATE': rename 'Unreleased'."
grep -q "^version: $version$" CITATION.cff || stop "CITATION.cff names another version than $version."
grep -q "\"version\": \"$version\"" .claude-plugin/plugin.json || stop ".claude-plugin/plugin.json names another version than $version."
[ -z "$(git status --porcelain)" ] || stop "the work tree has changes: commit them first."
"$python" -c 'import build' 2>/dev/null || stop "the package 'build' is missing: scripts/setup.sh dev, or pip install build."

# -- build and compare ---------------------------------------------------------------------------------------------
mkdir -p dist
rm -f "dist/overnight-$version.tar.gz" dist/overnight-"$version"-*.whl
say "building overnight $version"
"$python" -m build --outdir dist . >dist/build.log 2>&1 || { tail -n 20 dist/build.log >&2; stop "the build failed: dist/build.log."; }
"$python" scripts/contents.py "dist/overnight-$version.tar.gz" dist/overnight-"$version"-*.whl || stop "the content is not right."

# -- a fresh install of each, and a small night with it --------------------------------------------------------------
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for built in "dist/overnight-$version.tar.gz" dist/overnight-"$version"-*.whl; do
    say "installing $built"
    rm -rf "$work/venv" "$work/night" "$work/state"
    "$python" -m venv "$work/venv"
    "$work/venv/bin/python" -m pip install -q --disable-pip-version-check -c constraints.txt "$built" || stop "$built cannot be installed."
    scripts/small_night.sh "$work/venv/bin/overnight" "$version" "$work/night" "$work/state" || stop "$built does not work."
done

say "overnight $version is ready in dist/. Nothing was uploaded. What is left to do:"
say "  git tag -s v$version && git push origin v$version"
say "  $python -m twine upload dist/overnight-$version*"
