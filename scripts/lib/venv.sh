# shellcheck shell=bash disable=SC2034,SC2154
# Sourced: makes a virtual environment from a file of pins, once.

# make_venv FOLDER PINS: a stamp written last says which pins the folder holds, so that an interrupted or outdated
# environment is made anew and a finished one costs nothing.
make_venv() {
    local folder=$1 pins=$2 python stamp
    python=$(find_python)
    stamp="$(sha256_of "$pins") $("$python" -c 'import sys; print(sys.executable, sys.version)' | tr '\n' ' ')"
    if [ -x "$folder/bin/python" ] && [ "$(cat "$folder/pins.stamp" 2> /dev/null)" = "$stamp" ]; then
        say "Python packages are there: $folder"
        return
    fi
    "$python" -m venv --clear "$folder"
    pip_quiet "$folder/bin/python" install --only-binary=:all: --requirement "$pins" || {
        rm -rf "$folder"
        fail "could not install the packages of ${pins#"$root"/} (no network?)"
    }
    printf '%s' "$stamp" > "$folder/pins.stamp"
    say "Python packages installed: $folder"
}
