#!/bin/bash
# Makes (once) and names the Python environment of a client's tests: venv.sh pyiceberg prints a path.
# It lies in the user's cache, by the digest of what it holds, so that a change of versions is a new one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
name=${1:?usage: venv.sh NAME}
requirements="$here/requirements-$name.txt"
python=${PYTHON:-python3}
digest=$({ cat "$requirements"; "$python" --version; } | sha256sum | cut -c1-12)
cache="${XDG_CACHE_HOME:-$HOME/.cache}/firn"
venv="$cache/venv-$name-$digest"

mkdir -p "$cache"
exec 9>"$cache/.lock-$name"
flock 9
if [ ! -e "$venv/.complete" ]; then
    rm -rf "$venv"
    "$python" -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input \
        --requirement "$requirements" >&2
    touch "$venv/.complete"
fi
echo "$venv"
