#!/usr/bin/env bash
# Makes .mlflow with an MLflow server, which the tests of s2train's --mlflow talk to. Nothing else needs it.
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
. "$root/scripts/lib/venv.sh"

make_venv "$root/.mlflow" "$root/scripts/requirements/mlflow.txt"
