"""tifffile and OpenVINO on one thread, as one would write it; --precision default leaves bf16 to OpenVINO."""

import numpy as np
import openvino

import common


def main():
    options = common.arguments()
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
    if options.precision != "default":
        settings["INFERENCE_PRECISION_HINT"] = options.precision
    core = openvino.Core()
    model = core.read_model(options.model / "model.onnx")
    compiled = core.compile_model(model, "CPU", settings)
    request = compiled.create_infer_request()
    common.decide(
        options,
        read=common.tiff_reader(options),
        infer=lambda batch: np.array(request.infer({"input": batch})["logits"]),
    )


if __name__ == "__main__":
    main()
