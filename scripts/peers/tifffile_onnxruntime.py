"""tifffile and onnxruntime on one thread, as one would write it."""

import onnxruntime
import tifffile

import common


def main():
    options = common.arguments()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        options.model / "model.onnx", settings, providers=["CPUExecutionProvider"]
    )
    common.decide(
        options,
        read=lambda path: tifffile.imread(path).transpose(2, 0, 1),
        infer=lambda batch: session.run(None, {"input": batch})[0],
    )


if __name__ == "__main__":
    main()
