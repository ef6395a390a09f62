#!/usr/bin/env bash
# Makes .servers with an S3 server and an HTTPS server, which the tests of remote files read from. Nothing else needs it.
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
. "$root/scripts/lib/venv.sh"

make_venv "$root/.servers" "$root/scripts/requirements/servers.txt"
