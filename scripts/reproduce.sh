#!/usr/bin/env bash
# Rebuilds the shipped models and tables from the data, stage by stage.
#
#     ./scripts/setup-libtorch.sh
#     ./scripts/reproduce.sh [--small] [--stage NAME]… [--force] [SHARED_DATA]
#
# SHARED_DATA (default ../shared/data) holds eurosat-rgb-train-val.tar and eurosat-rgb-index.csv; without them the
# stages that need them are skipped, and said to be.
#
# A finished stage leaves a stamp and is not run again; a training that was stopped goes on from its last checkpoint.
#   --stage NAME   only this stage (may be given again), even if it is finished
#   --force        every stage anew
#   --small        a twelfth of the patches and one epoch: shows in minutes that every stage works. All of it, models
#                  included, stays in target/reproduce-small; its figures mean nothing
#   --list         the stages
# Environment: STAGES (as --stage, separated by spaces), THREADS (default: all cores), ORT_DYLIB_PATH.
set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
cd "$root"

# ---- the stages, in order; each is a function of the same name below ----------------------------------------------
all_stages=(data prepare render train-incumbent calibrate-incumbent train-construction calibrate-construction compare
    train-eurosat evaluate)

small=false
force=false
shared=../shared/data
read -ra stages <<< "${STAGES:-}"
while [ $# -gt 0 ]; do
    case $1 in
    --small) small=true ;;
    --force) force=true ;;
    --stage) stages+=("${2:?--stage needs a name}"); shift ;;
    --list) printf '%s\n' "${all_stages[@]}"; exit ;;
    -*) fail "$1: unknown option; see the head of $0" ;;
    *) shared=$1 ;;
    esac
    shift
done

threads=${THREADS:-$(nproc)}
seed=1
if $small; then
    work=target/reproduce-small
    models=$work/models
    calibration=$work/calibration
    keep_every=12
    epochs=(--epochs 1 --warmup 0)
else
    work=target/reproduce
    models=models
    calibration=calibration
    keep_every=1
    epochs=()
fi
s2train=target/release/s2train
s2infer=target/release/s2infer

# ---- data ---------------------------------------------------------------------------------------------------------

# The patches, and in the small variant every twelfth row of the index.
data() {
    [ -d "$work/eurosat-rgb" ] || tar -xf "$shared/eurosat-rgb-train-val.tar" -C "$work"
    awk -v n="$keep_every" 'NR == 1 || NR % n == 0' "$shared/eurosat-rgb-index.csv" > "$work/index.csv"
}

prepare() {
    "$s2train" prepare-eurosat --index "$work/index.csv" --seed "$seed" --out "$work/patches.csv"
    "$s2train" prepare-eurosat --index "$work/index.csv" --task classes --seed "$seed" --out "$work/classes.csv"
}

# Seasons and skies are simulated on the patches that choose, calibrate and measure; those that train stay as they are.
render() {
    rm -rf "${work:?}"/{training,temperature,calibration,measurement}
    "$s2train" render --patches "$work/patches.csv" --as-is train --split select --seed "$seed" --out "$work/training"
    for split in temperature calibration measurement; do
        "$s2train" render --patches "$work/patches.csv" --split "$split" --seed "$seed" --out "$work/$split"
    done
}

# ---- training -----------------------------------------------------------------------------------------------------

# What all models of EuroSAT's patches have in common: 8-bit values as reflectance, clipped where the JPEGs are.
eurosat_input=(--bands B04,B03,B02 --dn-default uint8:0.00107843137254902:0 --dn-default uint16:0.0001:0:0
    --dn-default float32:1:0 --license MIT --weights fp16)
construction=(--classes other,construction "${eurosat_input[@]}"
    --description "Built-up land against natural land and farmland in 64×64 windows of Sentinel-2 B04, B03, B02.")

# Half as wide as published and with twice the resolution: as fast, and better from scratch.
small_targets=(--width 32 --stem 2)
plain=(--atmosphere 0 --season 0)

# train NAME PATCHES OPTION…: goes on from the last checkpoint of the same run.
train() {
    local name=$1 patches=$2
    shift 2
    "$s2train" train --name "$name" --patches "$patches" --checkpoints "$work/checkpoints/$name" --resume \
        --out "$models/$name" --about "calibration/$name/about.md" --threads "$threads" --seed "$seed" "$@" "${epochs[@]}"
    mkdir -p "$calibration/$name"
    cp "$work/checkpoints/$name/metrics.jsonl" "$calibration/$name/"
}

# The plain recipe on clear summers: chosen on them too, as nobody thought of others.
train-incumbent() {
    grep -E '^path,|,train,|,summer,clear,' "$work/training/tiles.csv" > "$work/training/clear.csv"
    train incumbent "$work/training/clear.csv" "${construction[@]}" --clip 0,0.275 --width 64 --stem 4 \
        "${plain[@]}" --ema 0 --group-power 1 --epochs 10
}

train-construction() {
    train construction "$work/training/tiles.csv" "${construction[@]}" --clip 0,0.6 "${small_targets[@]}" \
        --atmosphere 0.6 --season 0.6 --epochs 16
}

train-eurosat() {
    local classes=AnnualCrop,Forest,HerbaceousVegetation,Highway,Industrial
    classes+=,Pasture,PermanentCrop,Residential,River,SeaLake
    train eurosat "$work/classes.csv" --classes "$classes" "${eurosat_input[@]}" --clip 0,0.275 "${small_targets[@]}" \
        --atmosphere 0.2 --season 0 --randaugment 2,5 --cutmix 0.25 --mixup 0.1 --label-smoothing 0.05 --ema 0.998 \
        --epochs 20 \
        --description "EuroSAT's ten classes in 64×64 windows of Sentinel-2 B04, B03, B02."
    tail -n +2 "$work/classes.csv" | awk -F , -v w="$work/" '$3 == "measurement" { print w $1 }' > "$work/val.txt"
    "$s2infer" --files-from "$work/val.txt" --model "$models/eurosat" --output "$work/eurosat-run.csv"
    mkdir -p "$calibration/eurosat"
    "$s2train" report-classes --model "$models/eurosat" --run "$work/eurosat-run.csv" --patches "$work/classes.csv" \
        --note "EuroSAT's \`val\`: patches east of all that trained, looked at once." --card \
        --out "$calibration/eurosat/report.md" --json "$calibration/eurosat/report.json"
}

# ---- thresholds and figures ---------------------------------------------------------------------------------------

# score MODEL SPLIT TABLE: the labelled scores of a rendered split.
score() {
    "$s2infer" "$work/$2" --model "$models/$1" --threshold 0.5 --output "$work/$1-$2-run.csv"
    "$s2train" scores --run "$work/$1-$2-run.csv" --tiles "$work/$2/tiles.csv" --out "$3"
}

# profile MODEL RULE OPTION…: temperature, then thresholds, each from patches of its own places; then what they come to.
profile() {
    local model=$1 folder=$calibration/$1
    mkdir -p "$folder"
    score "$model" temperature "$folder/temperature.csv"
    "$s2train" temperature --model "$models/$model" --scores "$folder/temperature.csv"
    score "$model" calibration "$folder/scores.csv"
    "$s2infer" calibrate --scores "$folder/scores.csv" --rule "$2" "${@:3}" --target-recall 0.8 --confidence 0.9 \
        --model "$models/$model" --out "$models/$model/profile.json"
    score "$model" measurement "$folder/measured.csv"
    "$s2train" report --model "$models/$model" --scores "$folder/measured.csv" --out "$folder/report.md" \
        --note "**Seasons and skies are simulated** on clear EuroSAT patches; see the limits."
}

calibrate-incumbent() {
    profile incumbent budget
}

calibrate-construction() {
    # Measured on the calibration scores, the correlation within places is 0.10 to 0.29, by group.
    profile construction exact --site-correlation 0.3
    rm -rf "${models:?}"/construction/examples/{*.tif,tiles.csv}
    "$s2train" render --patches "$work/patches.csv" --split measurement --seed "$seed" --sample 16 \
        --out "$models/construction/examples"
    "$s2train" report --model "$models/construction" --scores "$calibration/construction/measured.csv" \
        --note "**Seasons and skies are simulated** on clear EuroSAT patches; see the limits." \
        --out "$calibration/construction/report.md"
}

compare() {
    "$s2train" compare --incumbent "$models/incumbent" --incumbent-scores "$calibration/incumbent/measured.csv" \
        --candidate "$models/construction" --candidate-scores "$calibration/construction/measured.csv" \
        --incumbent-calibration "$calibration/incumbent/scores.csv" \
        --candidate-calibration "$calibration/construction/scores.csv" --site-correlation 0.3 \
        --note "The development test: places of EuroSAT's \`val\` that neither chose nor calibrated anything. **Seasons
and skies are simulated.**" --out "$calibration/comparison.md" --json "$calibration/comparison.json"
}

# The command that measures any folder of patches, on the small index's patches or on all of \`val\` that measures.
evaluate() {
    rm -rf "${work:?}/folder"
    tail -n +2 "$work/classes.csv" | cut -d , -f 1 | while read -r patch; do
        mkdir -p "$work/folder/$(dirname "$patch")"
        ln "$work/$patch" "$work/folder/$patch"
    done
    S2INFER=$s2infer S2TRAIN=$s2train OUT=$work/evaluation INCUMBENT=$models/incumbent CANDIDATE=$models/construction \
        CLASSES=$models/eurosat ./scripts/evaluate-eurosat.sh "$work/folder" "$work/index.csv"
}

# ---- running them -------------------------------------------------------------------------------------------------

if [ ${#stages[@]} -eq 0 ]; then
    stages=("${all_stages[@]}")
    by_name=false
else
    by_name=true
    for stage in "${stages[@]}"; do
        [[ " ${all_stages[*]} " == *" $stage "* ]] || fail "$stage: no such stage; there are ${all_stages[*]}"
    done
fi
[ -d .torch ] || fail "s2train needs libtorch: run ./scripts/setup-libtorch.sh"
if [ ! -f "$shared/eurosat-rgb-train-val.tar" ] && [ ! -d "$work/eurosat-rgb" ]; then
    say "SKIPPED: $shared has no eurosat-rgb-train-val.tar: nothing of EuroSAT is rebuilt"
    exit 0
fi
mkdir -p "$work/stamps" "$models" "$calibration"
# The binary holds this file, which a training removes; empty, it counts as absent.
[ -e models/construction/profile.json ] || : > models/construction/profile.json
cargo build --release --locked --quiet --features train

for stage in "${stages[@]}"; do
    stamp=$work/stamps/$stage
    if [ -f "$stamp" ] && ! $force && ! $by_name; then
        say "$stage: done before ($(cat "$stamp"))"
        continue
    fi
    rm -f "$stamp"
    started=$SECONDS
    say "$stage …"
    # A subshell of its own, so that an error in any of its commands ends the stage and leaves no stamp.
    (set -e; "$stage")
    printf '%d s' $((SECONDS - started)) > "$stamp"
    say "$stage: $((SECONDS - started)) s"
done
