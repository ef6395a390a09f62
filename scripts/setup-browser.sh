#!/usr/bin/env bash
# Makes .browser with selenium, and sees that Chromium and its driver are there: scripts/check_report.py opens reports in
# them. Nothing else needs it.
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
. "$root/scripts/lib/venv.sh"

if ! command -v chromium > /dev/null || ! command -v chromedriver > /dev/null; then
    command -v apt-get > /dev/null || fail "chromium and chromedriver are needed, and there is no apt-get to install them"
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo)
    fi
    say "installing Chromium and its driver"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        chromium chromium-driver > /dev/null
fi

make_venv "$root/.browser" "$root/scripts/requirements/browser.txt"
