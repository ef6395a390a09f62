"""Blends a segmentation model's windows with numpy and onnxruntime, and compares what s2infer wrote.

usage: blend_reference.py MODEL.onnx SCENE.tif OVERLAP MASK.tif SCORE.tif SHARES.csv

The scene is of DN at 1e-4; bands are standardised as tests/common/model_folders.rs says.
"""

import csv
import sys

import numpy as np
import onnxruntime
import rasterio

model, scene, overlap, mask, score, shares = sys.argv[1:]
overlap = int(overlap)
with rasterio.open(scene) as image:
    dn = image.read().astype("float64")
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
side = session.get_inputs()[0].shape[2]
_, height, width = dn.shape
valid = (dn != 0).all(0)
mean = np.array([0.1, 0.11, 0.12, 0.13])[:, None, None]
pixels = np.where(valid, (np.clip(dn * 1e-4, 0, 0.275) - mean) / 0.05, 0).astype("float32")


def starts(length):
    stride = side - overlap
    return [min(index * stride, length - side) for index in range(1 + -(-(length - side) // stride))]


weight = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(side) + 0.5) / side)
weight = weight[:, None] * weight[None, :]
weights, skipped = np.zeros((height, width)), 0
sums = np.zeros((session.get_outputs()[0].shape[1], height, width))
for top in starts(height):
    for left in starts(width):
        place = np.s_[top:top + side, left:left + side]
        if valid[place].mean() < 0.5:
            skipped += 1
            continue
        logits = session.run(None, {"input": pixels[None, :, *place]})[0][0].astype("float64")
        probabilities = np.exp(logits - logits.max(0))
        probabilities /= probabilities.sum(0)
        sums[:, *place] += weight * probabilities
        weights[place] += weight
covered = valid & (weights > 0)
assert skipped > 0, "the scene has no window that abstains"
blended = sums / np.where(weights > 0, weights, 1)

with open(shares) as lines:
    [row] = list(csv.reader(lines))[1:]
difference = np.abs(np.array(row[1:], float) - blended[:, covered].mean(1)).max()
assert difference < 2e-6, difference  # six digits are written
classes, confidence = rasterio.open(mask).read(1), rasterio.open(score).read(1)
assert ((classes == 255) == ~covered).all() and ((confidence == 255) == ~covered).all()
ordered = np.sort(blended, axis=0)
clear = covered & (ordered[-1] - ordered[-2] > 2e-6)
assert clear.mean() > 0.5 and (classes[clear] == blended.argmax(0)[clear]).all()
off = np.abs(confidence[covered] - 100 * ordered[-1][covered]).max()
assert off < 0.5 + 1e-3, off
seams = np.unique(classes[covered]).size
assert seams > 2, "one class alone shows nothing"
print(difference, clear.sum(), skipped)
