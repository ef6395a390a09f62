"""ROWS rows through a model's file on onnxruntime alone, from memory, on one thread, in batches of 32."""

import sys

import numpy as np
import onnxruntime

from common import BATCH_ROWS


def main():
    folder, rows = sys.argv[1], int(sys.argv[2])
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", settings, providers=["CPUExecutionProvider"])
    [declared] = session.get_inputs()
    shape = [BATCH_ROWS, *declared.shape[1:]]
    batch = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    # Once in either case, so that what the first batch costs is taken off with the start.
    for _ in range(1 + -(-rows // BATCH_ROWS)):
        session.run(None, {declared.name: batch})


if __name__ == "__main__":
    main()
