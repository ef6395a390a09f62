#!/usr/bin/env python3
"""How well a chip's cloud mask can be told from its pixels by trees that learned that very mask on the chip's other half.

    scripts/cloud_chip_bound.py sentinel2.npz

Needs scikit-learn and scipy. The archive is that of cloud_chip.py. Gradient-boosted trees learn from one half, tell the other, and
the other way round: by the four bands of a pixel alone, then with means, variances and extremes around it (deviations of 1, 2, 4
and 8 pixels). Prints the intersection over union of cloud at a probability of 0.5: what a model may hope for that never saw such a
mask.
"""

import sys

import numpy as np
from cloud_chip import CLOUD, arrays
from scipy import ndimage
from sklearn.ensemble import HistGradientBoostingClassifier

SCALES_PX = (1, 2, 4, 8)
# Of the pixels that are learned from: neighbours say the same.
EVERY = 3


def around(band):
    yield band
    for scale in SCALES_PX:
        mean = ndimage.gaussian_filter(band, scale)
        yield mean
        yield ndimage.gaussian_filter(band * band, scale) - mean**2
        yield ndimage.minimum_filter(band, 2 * scale + 1)
        yield ndimage.maximum_filter(band, 2 * scale + 1)


def across(features, is_cloud):
    """Each half by the trees of the other."""
    upper = np.zeros(is_cloud.shape, bool)
    upper[: len(is_cloud) // 2] = True
    found = np.zeros(is_cloud.shape, bool)
    for half in (upper, ~upper):
        trees = HistGradientBoostingClassifier(max_iter=150, learning_rate=0.08, l2_regularization=1.0, random_state=1)
        trees.fit(features[~half][::EVERY], is_cloud[~half][::EVERY])
        found[half] = trees.predict_proba(features[half])[:, 1] >= 0.5
    return (found & is_cloud).sum() / (found | is_cloud).sum()


def main(archive):
    image, mask = arrays(archive)
    bands = np.moveaxis(image[..., :4].astype(np.float64), -1, 0)
    is_cloud = mask == CLOUD
    print(f"by a pixel: IoU of cloud {across(np.stack(bands, -1), is_cloud):.3f}")
    print(f"by what lies around it: {across(np.stack([f for band in bands for f in around(band)], -1), is_cloud):.3f}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
