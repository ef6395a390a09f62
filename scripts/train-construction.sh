#!/usr/bin/env bash
# Trains, exports, calibrates and measures the built-in model: models/construction and calibration/construction.
#
#     ./scripts/setup-libtorch.sh
#     ./scripts/train-construction.sh [SHARED_DATA]
#
# SHARED_DATA (default ../shared/data) holds eurosat-rgb-train-val.tar and eurosat-rgb-index.csv. Everything between
# goes to $WORK (default target/eurosat); a training that was stopped goes on from its last epoch. About 15 minutes of
# one core for training and as much again for scores; ORT_DYLIB_PATH names ONNX Runtime, else tract runs.
set -euo pipefail
cd "$(dirname "$0")/.."

shared=${1:-../shared/data}
work=${WORK:-target/eurosat}
threads=${THREADS:-1}
model=models/construction
calibration=calibration/construction

cargo build --release --features train
s2train=target/release/s2train
s2infer=target/release/s2infer

mkdir -p "$work" "$calibration"
[ -d "$work/eurosat-rgb" ] || tar -xf "$shared/eurosat-rgb-train-val.tar" -C "$work"
"$s2train" prepare-eurosat --index "$shared/eurosat-rgb-index.csv" --out "$work/patches.csv" --seed 1

"$s2train" train --patches "$work/patches.csv" --checkpoints "$work/checkpoints" --out "$model" --resume \
  --name construction --bands B04,B03,B02 --clip 0,0.275 --classes other,construction \
  --dn-default uint8:0.00107843137254902:0 --dn-default uint16:0.0001:0:0 --dn-default float32:1:0 \
  --description "Built-up land against natural land and farmland in 64×64 windows of Sentinel-2 B04, B03, B02." \
  --about "$calibration/about.md" --license MIT --tta flips --weights fp16 \
  --epochs 10 --batch 128 --learning-rate 0.001 --weight-decay 0.05 --seed 1 --threads "$threads"

for split in calibration measurement; do
  rm -rf "${work:?}/$split"
  "$s2train" render --patches "$work/patches.csv" --split "$split" --model "$model" --out "$work/$split" --seed 1
  "$s2infer" "$work/$split" --model "$model" --threshold 0.5 --threads "$threads" --output "$work/$split.csv"
done
"$s2train" scores --run "$work/calibration.csv" --tiles "$work/calibration/tiles.csv" --out "$calibration/scores.csv"
"$s2train" scores --run "$work/measurement.csv" --tiles "$work/measurement/tiles.csv" --out "$calibration/measured.csv"

"$s2infer" calibrate --scores "$calibration/scores.csv" --target-recall 0.8 --confidence 0.9 --model "$model" \
  --out "$model/profile.json"
rm -rf "$model"/examples/*.tif
"$s2train" render --patches "$work/patches.csv" --split measurement --model "$model" --out "$model/examples" \
  --seed 1 --sample 16
"$s2train" report --model "$model" --scores "$calibration/measured.csv" --out "$calibration/report.md" \
  --note "**Seasons and clouds are simulated** on clear EuroSAT patches; see the limits."
