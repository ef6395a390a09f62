#!/usr/bin/env bash
# Measures the fallback engine against ONNX Runtime in fp32, both fed from memory on one thread: CPU seconds of whole
# processes less those of a run of no rows, pairs interleaved.
#
#   ./scripts/bench-fallback.sh [MODEL_FOLDER…]     default: the shipped models
#
#   ROWS=2048      rows of a run        PAIRS=9        BATCH=32
#   FILES=FOLDER   tiles that every model reads: whole runs from these files to a table as well, start-up included,
#                  without augmentation
#   MUSL=BINARY    of scripts/build-static.sh: with FILES, its runs against ONNX Runtime's as well
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
cd "$root"

scripts/setup-ort.sh
ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$(ls "$root"/.ort/libonnxruntime.so.*)}
export ORT_DYLIB_PATH
cargo build --release --locked --bin s2infer --example engine_floor
[ $# -gt 0 ] || set -- models/construction models/coast models/eurosat

built=${CARGO_TARGET_DIR:-target}/release
exec python3 scripts/peers/fallback.py --floor "$built/examples/engine_floor" --pairs "${PAIRS:-9}" --rows "${ROWS:-2048}" \
    --batch "${BATCH:-32}" ${FILES:+--files "$FILES"} --s2infer "$built/s2infer" ${MUSL:+--musl "$MUSL"} "$@"
