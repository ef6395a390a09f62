#!/usr/bin/env bash
# Measures s2infer against Python peers, against its own engines fed from memory, and its memory and start-up, and prints
# the tables of the README. An hour on a quiet machine; everything it needs goes to .bench.
#
#   ./scripts/bench-peers.sh [OPTIONS OF scripts/peers/compare.py]      e.g. --only int8 --pairs 15
#
#   TILES=4096   64×64×4 tiles of the speed runs     VIEWS=1024   of those with eight views     MAPS=128   256×256×4
#   MANY=100000  tiles of the largest memory run (hard links)
#   BIN=FOLDER   s2infer, engine_floor and quantize_graph, built already
#   QUANTIZE_MANIFEST=CSV   labelled tiles that `s2infer quantize` makes the built-in model's int8 folder with, where
#                           models/construction-int8 is not there
#
# The other models have random weights. Such a network decides nothing, so that no labelled tiles can tell whether it got
# worse: its int8 graph comes from the same quantizer without the gate (examples/quantize_graph.rs).
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
. "$root/scripts/lib/venv.sh"
cd "$root"

tiles=${TILES:-4096}
views=${VIEWS:-1024}
maps=${MAPS:-128}
many=${MANY:-100000}
bench=$root/.bench
bin=${BIN:-}

if [ -z "${ORT_DYLIB_PATH:-}" ]; then
    scripts/setup-ort.sh
    ORT_DYLIB_PATH=$(ls "$root"/.ort/libonnxruntime.so.*)
fi
if [ -z "${OPENVINO_LIB_PATH:-}" ]; then
    scripts/setup-openvino.sh
    OPENVINO_LIB_PATH=$root/.openvino
fi
export ORT_DYLIB_PATH OPENVINO_LIB_PATH
mkdir -p "$bench"
make_venv "$bench/venv" "$root/scripts/requirements/peers.txt"
python=$bench/venv/bin/python
if [ -z "$bin" ]; then
    cargo build --release --locked --bin s2infer --example engine_floor --example quantize_graph
    built=${CARGO_TARGET_DIR:-$root/target}/release
    bin=$bench/bin
    mkdir -p "$bin"
    ln -sfn "$built/s2infer" "$built/examples/engine_floor" "$built/examples/quantize_graph" "$bin"
fi

# fill PATH COMMAND…: something that is complete or not there.
fill() {
    local path=$1
    shift
    [ -e "$path" ] && return
    rm -rf "$path.partial"
    "$@" "$path.partial"
    mv "$path.partial" "$path"
}
make_tiles() { "$python" scripts/peers/tiles.py "${@: -1}" "${@:1:$#-1}"; }
make_links() {
    mkdir -p "$2"
    "$python" - "$bench/tiles-$tiles" "$1" "$2" << 'PYTHON'
import os, pathlib, sys

source, count, folder = sorted(pathlib.Path(sys.argv[1]).iterdir()), int(sys.argv[2]), pathlib.Path(sys.argv[3])
for number in range(count):
    os.link(source[number % len(source)], folder / f"link-{number:06}.tif")
PYTHON
}
make_resnet() { "$python" scripts/peers/resnet.py "$2" 4 "$1"; }
make_unet() { "$python" scripts/peers/unet.py "$1"; }
make_model() { "$python" scripts/peers/model.py "$@"; }
make_inputs() { "$python" scripts/peers/inputs.py "$@"; }
make_int8() { "$bin/quantize_graph" "$@" >&2; }

fill "$bench/tiles-$tiles" make_tiles "$tiles"
fill "$bench/tiles-raw-$tiles" make_tiles "$tiles" --uncompressed
fill "$bench/tiles-views-$views" make_tiles "$views"
fill "$bench/maps-$maps" make_tiles "$maps" --side 256
fill "$bench/first" make_tiles 1 --bands 3
fill "$bench/first-views" make_tiles 1
fill "$bench/first-map" make_tiles 1 --side 256
fill "$bench/few" make_links 512
fill "$bench/many-$many" make_links "$many"
ln -sfn "tiles-$tiles" "$bench/tiles"
ln -sfn "tiles-raw-$tiles" "$bench/tiles-raw"
ln -sfn "tiles-views-$views" "$bench/tiles-views"
ln -sfn "maps-$maps" "$bench/maps"

# network NAME HEAD TILES COUNT ENGINE…: the ONNX file NAME.onnx as folders in fp32, in int8 observed on COUNT tiles and,
# on OpenVINO, in bf16. A golden batch is of the engine that will run, since engines differ in coarse precisions.
network() {
    local name=$1 head=$2 tiles=$3 count=$4 engine
    shift 4
    fill "$bench/$name-fp32" make_model "$bench/$name.onnx" "$head" fp32 onnxruntime
    fill "$bench/$name-inputs.f32" make_inputs "$bench/$name-fp32" "$tiles" "$count"
    [ $# -gt 0 ] || return 0
    fill "$bench/$name-int8.onnx" make_int8 "$bench/$name-fp32" "$bench/$name-inputs.f32"
    for engine in "$@"; do
        fill "$bench/$name-int8-${engine/onnxruntime/ort}" make_model "$bench/$name-int8.onnx" "$head" int8 "$engine"
        [ "$engine" = openvino ] || continue
        fill "$bench/$name-bf16-openvino" make_model "$bench/$name.onnx" "$head" bf16 openvino
        fill "$bench/$name-fp32-openvino" make_model "$bench/$name.onnx" "$head" fp32 openvino
    done
}
fill "$bench/resnet18.onnx" make_resnet 18
fill "$bench/resnet50.onnx" make_resnet 50
fill "$bench/unet.onnx" make_unet
network resnet18 binary "$bench/tiles" 256 onnxruntime openvino
network unet segmentation "$bench/maps" 32 openvino
network resnet50 binary "$bench/tiles" 500

int8=$root/models/construction-int8
if [ ! -d "$int8" ]; then
    int8=$bench/construction-int8
    if [ -n "${QUANTIZE_MANIFEST:-}" ] && [ ! -d "$int8" ]; then
        "$bin/s2infer" quantize construction --precision int8 --engine ort --manifest "$QUANTIZE_MANIFEST" --out "$int8" >&2 ||
            say "the built-in model in int8 does not pass its gate: it is left out"
    fi
fi
[ ! -d "$int8" ] || set -- --int8 "$int8" "$@"

cd "$bench"
exec "$python" "$root/scripts/peers/compare.py" --s2infer "$bin/s2infer" --floor "$bin/engine_floor" \
    --quantize "$bin/quantize_graph" --python "$python" --ort "$ORT_DYLIB_PATH" --openvino "$OPENVINO_LIB_PATH" \
    --tiles "$tiles" --views "$views" --maps "$maps" --memory few "tiles-$tiles" "many-$many" "$@"
