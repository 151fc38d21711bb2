#!/bin/sh
# Make (or bring up to date) the environment in the folder $1 from requirements.txt: the pins stand there alone.
set -eu
venv=$1

usable() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if ! { [ -x "$venv/bin/python" ] && usable "$venv/bin/python"; }; then
    for python in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python3.14 python; do
        if usable "$python"; then break; fi
        python=
    done
    if [ -z "$python" ]; then
        echo "This book needs Python 3.11 or newer with the modules venv and ensurepip, and found none." >&2
        echo "Install one (on Debian and Ubuntu: apt-get install python3 python3-venv)," >&2
        echo "or name one: make … PYTHON=/path/to/python3" >&2
        exit 1
    fi
    echo "Setting up $venv with $("$python" --version), once; this takes a few minutes."
    "$python" -m venv --clear "$venv"
fi

# --no-compile: Python compiles what is imported, when it is; of 200 packages most modules never are.
pip() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile "$@"; }
torch=$(sed -n 's/^\(torch==[^ #]*\).*/\1/p' requirements.txt)
pip "$torch"
pip -r requirements.txt
pip -e . --no-deps
