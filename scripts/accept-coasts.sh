#!/usr/bin/env bash
# Acceptance tests of the simulated coasts: what must not solve them, and how they answer to their knobs. Writes
# calibration/coasts/acceptance.md; ten minutes on two cores.
#
#     ./scripts/accept-coasts.sh [OPTION…]     options go to scripts/accept_coasts.py, such as --tiles 4000
#
# Sets go to $WORK (default target/coasts, 2 GB) and are taken as they are where they exist. Python packages go to
# target/coasts-venv, unless COASTS_PYTHON names an interpreter that has them.
#
# Tests 4, 5 and 7 need networks: `scripts/reproduce.sh` trains them on the same set and calls this with --networks.
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
. "$root/scripts/lib/venv.sh"
cd "$root"

cargo build --release --locked --bin s2infer
python=${COASTS_PYTHON:-}
if [ -z "$python" ]; then
    make_venv "$root/target/coasts-venv" "$root/scripts/requirements/coasts.txt"
    python=$root/target/coasts-venv/bin/python
fi
# One thread a process: two processes read, and small models gain nothing from more.
OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 "$python" scripts/accept_coasts.py --program target/release/s2infer \
    --work "${WORK:-target/coasts}" --report calibration/coasts/acceptance.md "$@"
