#!/usr/bin/env bash
# Measures the shipped models on any folder of EuroSAT's RGB patches, with one command:
#
#     ./scripts/evaluate-eurosat.sh FOLDER [INDEX.csv]
#
# FOLDER    <Class>/<Class>_<n>.jpg for all ten classes, perhaps one folder deeper
# INDEX.csv columns file, longitude, latitude and, if known, country_id, matched by file name. Without it patches are
#           taken to lie at 47° N, each a place of its own; the simulated sun and the intervals then know no better.
#
# Construction: one positive is drawn for ten negatives, every patch is rendered in the four groups of season × sky
# (SIMULATED, at a fixed seed), and the incumbent at its one threshold is compared with the candidate at its own
# thresholds. Ten classes: the patches as they are. Nothing is fitted to the patches.
#
# Results in $OUT (default target/evaluation), in construction and in classes: report.html, report.md, report.json and
# the tables of scores behind them. Takes minutes. The models: $INCUMBENT, $CANDIDATE, $CLASSES (the last is left out where there is no such folder).
# S2INFER and S2TRAIN name programs that are built already.
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"

[ $# -ge 1 ] && [ $# -le 2 ] || { sed -n '2,/^set -/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2; exit 2; }
[ -d "$1" ] || fail "$1: no such folder"
folder=$(realpath "$1")
index=
[ $# -eq 1 ] || { [ -f "$2" ] || fail "$2: no such file"; index=$(realpath "$2"); }
out=$(realpath -m "${OUT:-$root/target/evaluation}")
cd "$root"

incumbent=${INCUMBENT:-models/incumbent}
candidate=${CANDIDATE:-models/construction}
classes=${CLASSES:-models/eurosat}
seed=1
for model in "$incumbent" "$candidate"; do
    [ -f "$model/model.json" ] || fail "$model: no model folder"
done

if [ -z "${S2INFER:-}" ] || [ -z "${S2TRAIN:-}" ]; then
    [ -d .torch ] || fail "s2train needs libtorch: run ./scripts/setup-libtorch.sh once (about 620 MB)"
    say "building s2infer and s2train, if they are not built yet (the first time takes about ten minutes) …"
    cargo build --release --locked --quiet --features train
fi
s2infer=${S2INFER:-target/release/s2infer}
s2train=${S2TRAIN:-target/release/s2train}
if [ -z "${ORT_DYLIB_PATH:-}" ]; then
    library=$(find "$root/.ort" -name 'libonnxruntime.so.*' 2> /dev/null | head -n 1)
    if [ -n "$library" ]; then
        export ORT_DYLIB_PATH=$library
    else
        say "no ONNX Runtime in .ort (./scripts/setup-ort.sh brings it): slower without"
    fi
fi

mkdir -p "$out"
rm -rf "${out:?}"/{tiles,construction,classes}

say "construction: drawing patches and rendering them in four groups …"
"$s2train" prepare-eurosat --folder "$folder" ${index:+--index "$index"} --seed "$seed" --out "$out/patches.csv"
"$s2train" render --patches "$out/patches.csv" --split measurement --seed "$seed" --out "$out/tiles"

if [ -n "$index" ]; then
    where="Places and latitudes are those of \`${index##*/}\`."
else
    where="No index was given: every patch is taken for a place of its own at 47° N, so that intervals are too narrow."
fi
count=$(($(wc -l < "$out/patches.csv") - 1))

# measure NAME NOTE OPTION…: the report $out/NAME. Patches are 640 m wide: nearer ones overlap. Leaks are in the report.
measure() {
    local status=0
    "$s2infer" evaluate --place-gap-km 0.64 --despite-leaks --note "$2" --out "$out/$1" "${@:3}" || status=$?
    [ $status -eq 0 ] || { [ $status -eq 4 ] && [ -f "$out/$1/report.json" ]; } || exit $status
}
# The calibration scores of a model, for thresholds of other kinds than the profile's.
scores_of() {
    echo "$(dirname "$1")/../calibration/$(basename "$1")/scores.csv"
}
options=()
if [ -f "$(scores_of "$candidate")" ] && [ -f "$(scores_of "$incumbent")" ]; then
    options=(--calibration "$(scores_of "$candidate")" --baseline-calibration "$(scores_of "$incumbent")")
fi
say "construction: deciding with $candidate and $incumbent …"
measure construction "$count patches of \`${folder##*/}\`, one positive to ten negatives, each rendered in four groups. \
**Seasons and skies are simulated** (seed $seed). $where" --manifest "$out/tiles/tiles.csv" --model "$candidate" \
    --baseline "$incumbent" "${options[@]}"
parts=(construction)

if [ -f "$classes/model.json" ]; then
    say "ten classes: deciding with $classes …"
    "$s2train" prepare-eurosat --folder "$folder" ${index:+--index "$index"} --task classes --out "$out/classes.csv"
    measure classes "All $(($(wc -l < "$out/classes.csv") - 1)) patches of \`${folder##*/}\` as they are." \
        --manifest "$out/classes.csv" --model "$classes"
    parts+=(classes)
else
    say "ten classes: left out, there is no $classes"
fi
say "wrote$(printf " $out/%s/report.html" "${parts[@]}")"
