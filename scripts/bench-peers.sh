#!/usr/bin/env bash
# Measures s2infer against Python peers, against its own engine fed from memory, and its memory and start-up, and
# prints the tables of the README. About half an hour on a quiet machine; everything it needs goes to .bench.
#
#   ./scripts/bench-peers.sh [OPTIONS OF scripts/peers/compare.py]
#
#   TILES=4096   tiles of the speed runs        MANY=100000   tiles of the largest memory run (hard links)
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
. "$root/scripts/lib/venv.sh"
cd "$root"

tiles=${TILES:-4096}
many=${MANY:-100000}
bench=$root/.bench
target=${CARGO_TARGET_DIR:-$root/target}

scripts/setup-ort.sh
ort=$(ls "$root"/.ort/libonnxruntime.so.*)
mkdir -p "$bench"
make_venv "$bench/venv" "$root/scripts/requirements/peers.txt"
python=$bench/venv/bin/python
cargo build --release --locked --bin s2infer --example engine_floor

# fill FOLDER COMMAND…: a folder that is complete or not there.
fill() {
    local folder=$1
    shift
    [ -d "$folder" ] && return
    rm -rf "$folder.partial"
    "$@" "$folder.partial"
    mv "$folder.partial" "$folder"
}
make_tiles() { "$python" scripts/peers/tiles.py "$3" "$1" "$2"; }
make_links() {
    mkdir -p "$2"
    "$python" - "$bench/tiles-$tiles" "$1" "$2" << 'PYTHON'
import os, pathlib, sys

source, count, folder = sorted(pathlib.Path(sys.argv[1]).iterdir()), int(sys.argv[2]), pathlib.Path(sys.argv[3])
for number in range(count):
    os.link(source[number % len(source)], folder / f"link-{number:06}.tif")
PYTHON
}
make_model() {
    mkdir -p "$1"
    "$python" scripts/peers/resnet18.py "$1/model.onnx"
    "$python" scripts/model_folder.py "$1/model.onnx" scripts/peers/model.json "$1" >&2
}

fill "$bench/model" make_model
fill "$bench/tiles-$tiles" make_tiles "$tiles" 4
fill "$bench/first" make_tiles 1 3
fill "$bench/few" make_links 512
fill "$bench/many-$many" make_links "$many"
ln -sfn "tiles-$tiles" "$bench/tiles"

cd "$bench"
exec "$python" "$root/scripts/peers/compare.py" --s2infer "$target/release/s2infer" \
    --floor "$target/release/examples/engine_floor" --python "$python" --ort "$ort" --tiles "$tiles" \
    --memory few "tiles-$tiles" "many-$many" "$@"
