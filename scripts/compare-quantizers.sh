#!/usr/bin/env bash
# Compares the int8 graphs of `s2infer quantize` with those of onnxruntime's own quantizer, and prints a table; see
# scripts/peers/compare_quantizers.py, whose options it takes beside --quantize. What it needs goes to .bench.
#
#   ./scripts/compare-quantizers.sh --tiles CSV --model NAME=FOLDER… --random NAME=FOLDER…
#
#   BIN=FOLDER   quantize_graph, built already
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
. "$root/scripts/lib/venv.sh"

if [ -z "${ORT_DYLIB_PATH:-}" ]; then
    "$root/scripts/setup-ort.sh"
    ORT_DYLIB_PATH=$(ls "$root"/.ort/libonnxruntime.so.*)
fi
export ORT_DYLIB_PATH
mkdir -p "$root/.bench"
make_venv "$root/.bench/venv" "$root/scripts/requirements/peers.txt"
bin=${BIN:-}
if [ -z "$bin" ]; then
    cargo build --release --locked --manifest-path "$root/Cargo.toml" --example quantize_graph
    bin=${CARGO_TARGET_DIR:-$root/target}/release/examples
fi
exec "$root/.bench/venv/bin/python" "$root/scripts/peers/compare_quantizers.py" --quantize "$bin/quantize_graph" "$@"
