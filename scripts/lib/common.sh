# shellcheck shell=bash disable=SC2034,SC2154
# Sourced by the other scripts: the repository's root, messages, and a Python to work with.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "${0##*/}: $*"
    exit 1
}

# The newest interpreter that has both pip and venv; pinned wheels exist from Python 3.11 on.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.11 python3.12 python3.13; do
        if command -v "$candidate" > /dev/null 2>&1 &&
            "$candidate" -c 'import sys, pip, venv; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
            command -v "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer with pip and venv (tried \$PYTHON, python3, python3.11 to 3.13);" \
        "on Debian: apt install python3-venv python3-pip"
}

# pip that gives up within a minute where there is no network.
pip_quiet() {
    local python=$1
    shift
    "$python" -m pip --disable-pip-version-check --retries 2 --timeout 30 "$@" --quiet
}

sha256_of() { sha256sum -- "$1" | cut -d ' ' -f 1; }
