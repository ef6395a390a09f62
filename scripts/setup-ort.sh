#!/usr/bin/env bash
# Puts the ONNX Runtime library (CPU) into .ort, out of the wheel that the ONNX Runtime project publishes.
# Does nothing where it is there already. The file appears complete and checked or not at all.
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"

version=1.31.1
case "$(uname -s)-$(uname -m)" in
Linux-x86_64)
    platform=manylinux_2_28_x86_64
    bytes=29352200
    sha256=fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3
    ;;
Linux-aarch64)
    platform=manylinux_2_28_aarch64
    bytes=25265040
    sha256=8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467
    ;;
*) fail "no library is pinned for $(uname -s) on $(uname -m); install ONNX Runtime yourself and set ORT_DYLIB_PATH" ;;
esac

library=$root/.ort/libonnxruntime.so.$version

is_whole() { [ -f "$1" ] && [ "$(stat -c %s -- "$1")" = "$bytes" ] && [ "$(sha256_of "$1")" = "$sha256" ]; }

if is_whole "$library"; then
    say "ONNX Runtime $version is there: $library"
    exit 0
fi

python=$(find_python)
mkdir -p "$root/.ort"
work=$(mktemp -d "$root/.ort/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT

# The wheel is taken for its library alone, so it need not suit the Python that fetches it.
pip_quiet "$python" download --no-deps --only-binary=:all: --dest "$work" \
    --implementation cp --python-version 3.11 --platform "$platform" "onnxruntime==$version" ||
    fail "could not fetch onnxruntime $version from the package index (no network?);" \
        "without it s2infer runs on tract, and any libonnxruntime can be named in ORT_DYLIB_PATH"

"$python" - "$work" "$version" << 'PYTHON'
import pathlib, shutil, sys, zipfile

work, version = pathlib.Path(sys.argv[1]), sys.argv[2]
[wheel] = work.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    with archive.open(f"onnxruntime/capi/libonnxruntime.so.{version}") as source:
        with open(work / "library", "wb") as target:
            shutil.copyfileobj(source, target)
PYTHON

is_whole "$work/library" ||
    fail "the library fetched is not the one pinned here (SHA-256 $(sha256_of "$work/library")); nothing was installed"
chmod 755 "$work/library"
mv -f "$work/library" "$library"
say "ONNX Runtime $version fetched: $library"
