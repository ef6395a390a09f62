"""tifffile and onnxruntime on one thread, as one would write it."""

import onnxruntime

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
        options, read=common.tiff_reader(options), infer=lambda batch: session.run(None, {"input": batch})[0]
    )


if __name__ == "__main__":
    main()
