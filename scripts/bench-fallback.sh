#!/usr/bin/env bash
# Measures the fallback engine against ONNX Runtime in fp32, both fed from memory on one thread: CPU seconds of whole
# processes less those of a run of no rows, pairs interleaved.
#
#   ./scripts/bench-fallback.sh [MODEL_FOLDER…]     default: the shipped models
#
#   ROWS=2048   rows of a run        PAIRS=9        BATCH=32
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
cd "$root"

scripts/setup-ort.sh
ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$(ls "$root"/.ort/libonnxruntime.so.*)}
export ORT_DYLIB_PATH
cargo build --release --locked --example engine_floor
[ $# -gt 0 ] || set -- models/construction models/coast models/eurosat

exec python3 scripts/peers/fallback.py "${CARGO_TARGET_DIR:-target}/release/examples/engine_floor" \
    "${PAIRS:-9}" "${ROWS:-2048}" "${BATCH:-32}" "$@"
