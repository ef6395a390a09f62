#!/usr/bin/env python3
"""Writes a ResNet-18 or -50 with seeded random weights as ONNX: the shape of a real model, for timing.

    python3 scripts/peers/resnet.py FILE.onnx [BANDS] [DEPTH]

BatchNorm counts as folded into the convolutions, as in any exported model. Input `input`, [n, bands, 64, 64]; output
`logits`, [n, 1].
"""

import sys

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

SIDE_PX = 64


class Network:
    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights = [], []

    def constant(self, values):
        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    def add(self, operator, *inputs, output=None, **attributes):
        output = output or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def convolution(self, value, channels_in, channels_out, kernel, stride):
        # He's initialisation, damped so that residual sums do not grow without bound.
        scale = 0.7 * np.sqrt(2 / (channels_in * kernel**2))
        weight = self.constant(self.random.normal(0, scale, (channels_out, channels_in, kernel, kernel)))
        bias = self.constant(self.random.normal(0, 0.01, channels_out))
        return self.add(
            "Conv", value, weight, bias, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4
        )

    def basic(self, value, channels_in, width, stride):
        """Two 3×3 convolutions beside a short cut."""
        long = self.add("Relu", self.convolution(value, channels_in, width, 3, stride))
        long = self.convolution(long, width, width, 3, 1)
        return self.joined(long, value, channels_in, width, stride)

    def bottleneck(self, value, channels_in, width, stride):
        """1×1 to fewer channels, 3×3, 1×1 to four times as many; the 3×3 strides, as everybody's does today."""
        long = self.add("Relu", self.convolution(value, channels_in, width, 1, 1))
        long = self.add("Relu", self.convolution(long, width, width, 3, stride))
        long = self.convolution(long, width, 4 * width, 1, 1)
        return self.joined(long, value, channels_in, 4 * width, stride)

    def joined(self, long, value, channels_in, channels_out, stride):
        changes = stride != 1 or channels_in != channels_out
        short = self.convolution(value, channels_in, channels_out, 1, stride) if changes else value
        return self.add("Relu", self.add("Add", long, short))


def resnet(bands, depth=18):
    net = Network(seed=depth)
    blocks, block, expansion = {18: ((2, 2, 2, 2), net.basic, 1), 50: ((3, 4, 6, 3), net.bottleneck, 4)}[depth]
    value = net.add("Relu", net.convolution("input", bands, 64, 7, 2))
    value = net.add("MaxPool", value, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for number in range(blocks[stage]):
            value = block(value, channels, width, 2 if stage > 0 and number == 0 else 1)
            channels = expansion * width
    value = net.add("Flatten", net.add("GlobalAveragePool", value))
    weight = net.constant(net.random.normal(0, 1 / np.sqrt(channels), (1, channels)))
    net.add("Gemm", value, weight, net.constant(np.zeros(1)), output="logits", transB=1)
    graph = helper.make_graph(
        net.nodes,
        f"resnet{depth}",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", bands, SIDE_PX, SIDE_PX])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])],
        net.weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    return model


if __name__ == "__main__":
    numbers = [int(number) for number in sys.argv[2:]]
    save(resnet(*(numbers or [4])), sys.argv[1])
