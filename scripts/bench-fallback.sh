#!/usr/bin/env bash
# Measures the fallback engine against ONNX Runtime in fp32, both fed from memory on one thread: CPU seconds of whole
# processes less those of a run of no rows, pairs interleaved.
#
#   ./scripts/bench-fallback.sh [MODEL_FOLDER…]     default: construction, coast and eurosat
#
#   ROWS=2048      rows of a run        PAIRS=9 (an interval takes six)        BATCH=32
#   FILES=FOLDER   tiles of one window (*.tif) that every model reads: whole runs from these files to a table as well,
#                  start-up included, without augmentation
#   MUSL=BINARY    of scripts/build-static.sh: with FILES, its runs against ONNX Runtime's as well
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
cd "$root"

for number in "ROWS=${ROWS:=2048}" "PAIRS=${PAIRS:=9}" "BATCH=${BATCH:=32}"; do
    [[ $number =~ =[1-9][0-9]*$ ]] || fail "$number: a number from 1 on is needed"
done
[ -z "${MUSL:-}" ] || [ -n "${FILES:-}" ] || fail "MUSL=$MUSL is measured on files: set FILES, a folder of tiles"
[ -z "${MUSL:-}" ] || [ -x "$MUSL" ] || fail "MUSL=$MUSL: no such program; ./scripts/build-static.sh makes it"
[ -z "${FILES:-}" ] || compgen -G "$FILES/*.tif" > /dev/null || fail "FILES=$FILES: no folder with tiles (*.tif)"
[ $# -gt 0 ] || set -- models/construction models/coast models/eurosat
for model in "$@"; do
    [ -e "$model/model.json" ] || fail "$model: no model folder"
done
scripts/setup-ort.sh
ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$(ls "$root"/.ort/libonnxruntime.so.*)}
export ORT_DYLIB_PATH
cargo build --release --locked --bin s2infer --example engine_floor

built=${CARGO_TARGET_DIR:-target}/release
exec python3 scripts/peers/fallback.py --floor "$built/examples/engine_floor" --pairs "$PAIRS" --rows "$ROWS" \
    --batch "$BATCH" ${FILES:+--files "$FILES"} --s2infer "$built/s2infer" ${MUSL:+--musl "$MUSL"} "$@"
