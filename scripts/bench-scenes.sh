#!/usr/bin/env bash
# Measures a whole scene against the bare engine and against plain Python (rasterio windows and onnxruntime): CPU seconds,
# wall seconds and peak memory of all processes together, in interleaved rounds.
#
#   ./scripts/bench-scenes.sh [--keep FOLDER] [--side-px 10980] [--pairs 6] [--tta none] [--without safe,peer] [--bf16 FOLDER]
#
#   --keep FOLDER   where the scene is made once, 3 GB of it, and found again   default: a temporary folder
#   --bf16 FOLDER   the built-in model as `s2infer quantize --precision bf16` wrote it: the COG is decided by it as well,
#                   on OpenVINO (OPENVINO_LIB_PATH)
#   S2INFER         the program    default: target/release/s2infer, built first
#   S2INFER_PYTHON  a Python with numpy, rasterio and onnxruntime    default: .venv, made first
#   ORT_DYLIB_PATH  ONNX Runtime   default: that of the Python's onnxruntime, so that both run the same
#
# A full scene is some 30,000 windows of eight views each: a round of all four sides takes half an hour on two cores.
# --side-px 1098 is a hundredth of it, --tta none an eighth.
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"

keep=
side_px=10980
pass=()
while [ $# -gt 0 ]; do
    case $1 in
        --keep) keep=${2:?--keep needs a folder} && shift 2 ;;
        --side-px) side_px=${2:?--side-px needs a number} && shift 2 ;;
        --bf16) pass+=("$1" "$(realpath "${2:?$1 needs a folder}")") && shift 2 ;;
        --pairs | --tta | --without | --engine-seconds) pass+=("$1" "${2:?$1 needs a value}") && shift 2 ;;
        -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" && exit ;;
        *) fail "$1: no such option; see --help" ;;
    esac
done
if [ -z "$keep" ]; then
    keep=$(mktemp -d)
    trap 'rm -rf "$keep"' EXIT
fi
mkdir -p "$keep"
keep=$(realpath "$keep")

if [ -z "${S2INFER:-}" ]; then
    (cd "$root" && cargo build --release --locked)
    S2INFER=${CARGO_TARGET_DIR:-$root/target}/release/s2infer
fi
S2INFER=$(realpath "$S2INFER")
if [ -z "${S2INFER_PYTHON:-}" ]; then
    "$root/scripts/setup-python.sh"
    S2INFER_PYTHON=$root/.venv/bin/python
fi
if [ -z "${ORT_DYLIB_PATH:-}" ]; then
    packages=$("$S2INFER_PYTHON" -c 'import onnxruntime, os; print(os.path.dirname(onnxruntime.__file__))')
    ORT_DYLIB_PATH=$(ls "$packages"/capi/libonnxruntime.so.*)
fi
export S2INFER ORT_DYLIB_PATH

scene=$keep/scene-$side_px
if [ ! -d "$scene" ]; then
    rm -rf "$scene.partial"
    "$S2INFER_PYTHON" "$root/scripts/make_scene.py" --side-px "$side_px" --towns 0.02 \
        --cog "$scene.partial/scene.tif" --safe "$scene.partial" --work "$keep" >&2
    mv "$scene.partial" "$scene"
fi
mkdir -p "$keep/results"
cd "$keep/results"
"$S2INFER_PYTHON" "$root/scripts/peers/scenes.py" --s2infer "$S2INFER" --cog "$scene/scene.tif" --safe "$scene"/*.SAFE \
    --model "$root/models/construction" "${pass[@]}"
