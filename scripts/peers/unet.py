#!/usr/bin/env python3
"""Writes a U-Net with seeded random weights as ONNX: the shape of a real model, for timing and for comparing quantizers.

    python3 scripts/peers/unet.py FILE.onnx [BANDS] [CLASSES]

Three levels, 24 channels at full resolution, batch normalisation counted as folded; 1 million parameters. Input `input`,
[n, bands, 256, 256]; output `logits`, [n, classes, 256, 256].
"""

import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

SIDE_PX = 256
WIDTH = 24


class Network:
    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights = [], []

    def constant(self, values, kind=np.float32):
        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def add(self, operator, *inputs, output=None, **attributes):
        output = output or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=f"node{len(self.nodes)}", **attributes))
        return output

    def convolution(self, value, channels_in, channels_out, kernel, output=None):
        scale = np.sqrt(2 / (channels_in * kernel**2))
        weight = self.constant(self.random.normal(0, scale, (channels_out, channels_in, kernel, kernel)))
        bias = self.constant(self.random.normal(0, 0.05, channels_out))
        return self.add(
            "Conv", value, weight, bias, output=output, kernel_shape=[kernel] * 2, strides=[1, 1], pads=[kernel // 2] * 4
        )

    def twice(self, value, channels_in, channels_out):
        for channels in (channels_in, channels_out):
            value = self.add("Relu", self.convolution(value, channels, channels_out, 3))
        return value


def unet(bands, classes, seed=5):
    net = Network(seed)
    levels, channels, value = [], bands, "input"
    for depth in range(4):
        value = net.twice(value, channels, WIDTH << depth)
        channels = WIDTH << depth
        if depth < 3:
            levels.append((value, channels))
            value = net.add("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
    for skipped, width in reversed(levels):
        scales = net.constant([1, 1, 2, 2])
        value = net.add(
            "Resize", value, "", scales, mode="nearest", nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )
        value = net.twice(net.add("Concat", value, skipped, axis=1), channels + width, width)
        channels = width
    net.convolution(value, channels, classes, 1, output="logits")
    shape = lambda planes: ["batch", planes, SIDE_PX, SIDE_PX]
    graph = helper.make_graph(
        net.nodes,
        "unet",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape(bands))],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape(classes))],
        net.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model


if __name__ == "__main__":
    numbers = [int(number) for number in sys.argv[2:]]
    save(unet(*(numbers or [4, 5])), sys.argv[1])
