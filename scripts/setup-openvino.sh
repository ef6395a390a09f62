#!/usr/bin/env bash
# Puts the OpenVINO libraries that s2infer uses (core, C API, ONNX reader, processor plugin, TBB) into .openvino, out of
# the wheel that the OpenVINO project publishes. Does nothing where they are there already. The folder appears complete
# and checked or not at all.
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"

version=2026.4.1
case "$(uname -s)-$(uname -m)" in
Linux-x86_64)
    platform=manylinux_2_28_x86_64
    sums="\
d2d0836d422b21fc5da2739af0d6035df3fc6dd5e4756402eb848974edecf8a5 377505 libopenvino_c.so.2641
9b9a80ac1f18e07b13ed54459d9a865bcfe9dc170dbf8fe740c2974b85ecedc1 20526937 libopenvino.so.2641
82d499f5b5e8514def7aaa1ecd5a9f570542d33ae9d00a0077f707cccd0e0192 6827321 libopenvino_onnx_frontend.so.2641
6599e3dd300d047b5ed72f8e48101c5f312c25321f35f57f803641ff8372900b 63691929 libopenvino_intel_cpu_plugin.so
ac9518497a4f2cb6729792730f145ee58367316031511923fef263c9ac81ca61 369313 libtbb.so.12"
    ;;
*) fail "no libraries are pinned for $(uname -s) on $(uname -m); install OpenVINO yourself and set OPENVINO_LIB_PATH" ;;
esac

folder=$root/.openvino

is_whole() {
    local sum bytes name
    while read -r sum bytes name; do
        [ -f "$1/$name" ] && [ "$(stat -c %s -- "$1/$name")" = "$bytes" ] &&
            [ "$(sha256_of "$1/$name")" = "$sum" ] || return 1
    done <<< "$sums"
}

if is_whole "$folder"; then
    say "OpenVINO $version is there: $folder"
    exit 0
fi

python=$(find_python)
work=$(mktemp -d "$folder.XXXXXX.partial")
trap 'rm -rf "$work"' EXIT

# The wheel is taken for its libraries alone, so it need not suit the Python that fetches it.
pip_quiet "$python" download --no-deps --only-binary=:all: --dest "$work" \
    --implementation cp --python-version 3.11 --platform "$platform" "openvino==$version" ||
    fail "could not fetch openvino $version from the package index (no network?); without it s2infer runs on the other" \
        "engines, and any OpenVINO from 2025.1 on can be named in OPENVINO_LIB_PATH"

mkdir "$work/libs"
"$python" - "$work" $(cut -d ' ' -f 3 <<< "$sums") << 'PYTHON'
import pathlib, shutil, sys, zipfile

work = pathlib.Path(sys.argv[1])
[wheel] = work.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    for name in sys.argv[2:]:
        with archive.open(f"openvino/libs/{name}") as source, open(work / "libs" / name, "wb") as target:
            shutil.copyfileobj(source, target)
PYTHON

is_whole "$work/libs" || fail "the libraries fetched are not those pinned here; nothing was installed"
rm -rf "$folder"
mv "$work/libs" "$folder"
say "OpenVINO $version fetched: $folder"
