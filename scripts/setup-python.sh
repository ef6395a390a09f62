#!/usr/bin/env bash
# Makes .venv with the Python packages that the tests compare against: other readers of TIFF, other runtimes of ONNX,
# the validator of model manifests. s2infer itself needs no Python.
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
. "$root/scripts/lib/venv.sh"

make_venv "$root/.venv" "$root/scripts/requirements/test.txt"
