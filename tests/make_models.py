"""Small seeded ONNX models for tests/engine.rs, with the outputs Python's onnxruntime gives for them.

usage: make_models.py FOLDER

For each model NAME the folder gets NAME.onnx, NAME.input.bin and NAME.output.bin: float32, little-endian, row by row,
after one int64 number of axes and one int64 per axis.
"""

import struct
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

FOLDER = Path(sys.argv[1])


class Graph:
    """Nodes and weights of a model in the making; every method returns the name of its output."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.weights = [], []

    def weight(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, operator, *inputs, **attributes):
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def conv(self, x, channels_in, channels_out, kernel, stride=1):
        scale = np.sqrt(2 / (channels_in * kernel * kernel))
        shape = (channels_out, channels_in, kernel, kernel)
        weight = (self.random.standard_normal(shape) * scale).astype(np.float32)
        bias = (self.random.standard_normal(channels_out) * 0.01).astype(np.float32)
        return self.node("Conv", x, self.weight(weight), self.weight(bias), kernel_shape=[kernel] * 2,
                         strides=[stride] * 2, pads=[kernel // 2] * 4)

    def linear(self, x, features_in, features_out):
        weight = (self.random.standard_normal((features_out, features_in)) / np.sqrt(features_in)).astype(np.float32)
        bias = (self.random.standard_normal(features_out) * 0.1).astype(np.float32)
        return self.node("Gemm", x, self.weight(weight), self.weight(bias), transB=1)

    def head(self, x, features, classes):
        return self.linear(self.node("Flatten", self.node("GlobalAveragePool", x)), features, classes)

    def block(self, x, channels_in, channels_out, stride):
        short = x if stride == 1 else self.conv(x, channels_in, channels_out, 1, stride)
        long = self.node("Relu", self.conv(x, channels_in, channels_out, 3, stride))
        return self.node("Relu", self.node("Add", self.conv(long, channels_out, channels_out, 3), short))


def save(name, graph, output, bands, side, shape, rows=3, compare=True, batch_axis="batch", opset=17):
    value = helper.make_tensor_value_info
    ends = (value("input", TensorProto.FLOAT, [batch_axis, bands, side, side]),
            value(output, TensorProto.FLOAT, ["batch", *shape]))
    proto = helper.make_graph(graph.nodes, name, [ends[0]], [ends[1]], graph.weights)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString())
    if compare:
        onnx.checker.check_model(model)
        batch = graph.random.standard_normal((rows, bands, side, side)).astype(np.float32)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        write(f"{name}.input.bin", batch)
        write(f"{name}.output.bin", session.run(None, {"input": batch})[0])


def write(name, array):
    header = struct.pack(f"<{1 + array.ndim}q", array.ndim, *array.shape)
    (FOLDER / name).write_bytes(header + array.astype("<f4").tobytes())


def binary():
    g = Graph(1)
    x = g.node("Relu", g.conv("input", 4, 8, 3))
    x = g.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.node("Relu", g.conv(x, 8, 16, 3))
    save("binary", g, g.head(x, 16, 1), 4, 16, [1])


def multiclass():
    g = Graph(2)
    x = g.node("Relu", g.conv("input", 3, 8, 3, 2))
    x = g.node("Sigmoid", g.conv(x, 8, 12, 3))
    save("multiclass", g, g.head(x, 12, 5), 3, 16, [5])


def segmentation():
    g = Graph(3)
    top = g.node("Relu", g.conv("input", 4, 8, 3))
    low = g.node("MaxPool", top, kernel_shape=[2, 2], strides=[2, 2])
    low = g.node("Relu", g.conv(low, 8, 16, 3))
    scales = g.weight(np.array([1, 1, 2, 2], np.float32))
    up = g.node("Resize", low, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric",
                nearest_mode="floor")
    x = g.node("Concat", up, top, axis=1)
    x = g.node("Relu", g.conv(x, 24, 8, 3))
    save("segmentation", g, g.conv(x, 8, 6, 1), 4, 16, [6, 16, 16])


def resnet18():
    g = Graph(4)
    x = g.node("Relu", g.conv("input", 4, 64, 7, 2))
    x = g.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for width in (64, 128, 256, 512):
        x = g.block(x, channels, width, 1 if width == channels else 2)
        x = g.block(x, width, width, 1)
        channels = width
    save("resnet18", g, g.head(x, 512, 1), 4, 64, [1])


def logarithm():
    """The logarithm of the mean: NaN for rows below zero."""
    g = Graph(5)
    x = g.node("Flatten", g.node("GlobalAveragePool", "input"))
    save("logarithm", g, g.node("Log", x), 1, 2, [1], compare=False)


def quantised():
    g = Graph(6)
    scale, zero = g.weight(np.float32(0.1)), g.weight(np.uint8(128))
    x = g.node("DequantizeLinear", g.node("QuantizeLinear", "input", scale, zero), scale, zero)
    save("quantised", g, g.head(x, 1, 1), 1, 8, [1], compare=False)


def dilated():
    g = Graph(7)
    x = g.node("MaxPool", "input", kernel_shape=[2, 2], dilations=[2, 2])
    save("dilated", g, g.head(x, 1, 1), 1, 8, [1])


def normalised():
    g = Graph(8)
    one, zero = g.weight(np.ones(1, np.float32)), g.weight(np.zeros(1, np.float32))
    x = g.node("InstanceNormalization", "input", one, zero)
    save("normalised", g, g.head(x, 1, 1), 1, 8, [1])


def reflected():
    """Pads by reflection; the constant beside it means nothing."""
    g = Graph(18)
    x = g.node("Pad", "input", g.weight(np.array([0, 0, 1, 1] * 2, np.int64)), g.weight(np.float32(0)), mode="reflect")
    save("reflected", g, g.head(x, 1, 1), 1, 8, [1])


def half():
    g = Graph(9)
    x = g.node("Cast", g.node("Relu", g.node("Cast", "input", to=TensorProto.FLOAT16)), to=TensorProto.FLOAT)
    save("half", g, g.head(x, 1, 1), 1, 8, [1], compare=False)


def huge():
    """Adds a constant of four terabytes."""
    g = Graph(10)
    x = g.node("Flatten", g.node("GlobalAveragePool", "input"))
    shape = g.weight(np.array([1 << 20, 1 << 20], np.int64))
    x = g.node("ReduceSum", g.node("Add", g.node("ConstantOfShape", shape), x))
    save("huge", g, x, 1, 2, [1], compare=False)


def grown():
    """Repeats its input until a row takes a terabyte; the shape is reached in steps."""
    g = Graph(11)
    x = "input"
    for _ in range(4):
        x = g.node("Tile", x, g.weight(np.array([1, 1, 512, 512], np.int64)))
    save("grown", g, g.head(x, 1, 1), 1, 2, [1], compare=False)


def batchless():
    """Its output's first axis is not the batch."""
    g = Graph(12)
    save("batchless", g, g.node("ReduceMean", "input", keepdims=0), 1, 2, [], compare=False)


def single():
    """Takes one row at a time."""
    g = Graph(14)
    x = g.node("Reshape", "input", g.weight(np.array([1, 4], np.int64)))
    save("single", g, g.linear(x, 4, 1), 1, 2, [1], compare=False, batch_axis=1)


def integers():
    """Its output is int64 whatever its declaration says."""
    g = Graph(13)
    x = g.node("ArgMax", g.node("Flatten", "input"), axis=1)
    g.nodes.append(helper.make_node("Identity", [x], ["classes"]))
    value = helper.make_tensor_value_info
    proto = helper.make_graph(g.nodes, "integers", [value("input", TensorProto.FLOAT, ["batch", 1, 2, 2])],
                              [value("classes", TensorProto.INT64, ["batch", 1])], g.weights)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (FOLDER / "integers.onnx").write_bytes(model.SerializeToString())


def fp16():
    """Weights and activations FLOAT16, input and output FLOAT."""
    g = Graph(15)
    x = g.node("Relu", g.conv(g.node("Cast", "input", to=TensorProto.FLOAT16), 4, 8, 3))
    x = g.node("Relu", g.conv(x, 8, 16, 3, 2))
    x = g.node("Cast", g.head(x, 16, 1), to=TensorProto.FLOAT)
    g.weights = [numpy_helper.from_array(numpy_helper.to_array(w).astype(np.float16), w.name) for w in g.weights]
    save("fp16", g, x, 4, 16, [1])


def steps():
    """Steps over pixels after convolutions of two groups: tract draws them into those."""
    g = Graph(17)
    weight = [g.weight(g.random.standard_normal(shape).astype(np.float32) / 8) for shape in [(8, 2, 7, 7), (8, 8, 3, 1)]]
    x = g.node("Conv", "input", weight[0], kernel_shape=[7, 7], auto_pad="SAME_UPPER", group=2)
    x = g.node("Conv", x, weight[1], kernel_shape=[3, 1], strides=[1, 2], dilations=[2, 2], pads=[2, 0, 2, 0])
    save("strides", g, g.head(x, 8, 1), 4, 2, [1])
    g = Graph(21)
    weight = g.weight(g.random.standard_normal((8, 2, 3, 3)).astype(np.float32) / 4)
    x = g.node("Conv", "input", weight, kernel_shape=[3, 3], pads=[1] * 4, group=2)
    start, end, axes, step = (g.weight(np.array(pair, np.int64)) for pair in ([1, 0], [8, 8], [2, 3], [2, 3]))
    save("slices", g, g.head(g.node("Slice", x, start, end, axes, step), 8, 1), 4, 8, [1])


def wrong_in_openvino():
    """One operator each, before a convolution, a mean and a dense layer."""
    def one(name, operator, opset=17, weights=(), channels=4, **attributes):
        g = Graph(19)
        x = g.node(operator, "input", *("" if w is None else g.weight(w) for w in weights), **attributes)
        save(f"openvino_{name}", g, g.head(g.conv(x, channels, 4, 3), 4, 1), 4, 8, [1], opset=opset)

    half, twice = (np.array([1, 1, factor, factor], np.float32) for factor in (0.5, 2))
    one("softmax", "Softmax", opset=12, axis=1)
    one("reduce", "ReduceL1", channels=1, axes=[1])
    one("pool", "AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], ceil_mode=1, count_include_pad=1)
    weight = np.random.default_rng(20).standard_normal((4, 4, 4, 4)).astype(np.float32)
    one("transposed", "ConvTranspose", weights=[weight], strides=[2, 2], auto_pad="SAME_UPPER")
    one("antialias", "Resize", opset=18, weights=[None, half], mode="linear", antialias=1)
    one("outside", "Resize", weights=[None, twice], mode="cubic", exclude_outside=1)
    one("aligned", "Resize", weights=[None, np.array([1, 1, 3, 3], np.float32)], mode="nearest", nearest_mode="floor",
        coordinate_transformation_mode="align_corners")
    one("conv", "Conv", weights=[weight[..., :1, :1]], strides=[2, 2], pads=[1, 1, 1, 1])
    one("ceiled", "MaxPool", kernel_shape=[2, 2], strides=[3, 3], pads=[0, 0, 1, 1], ceil_mode=1)


def wrong_in_openvino_in_8_bits():
    def graph(zero):
        g = Graph(22)
        scale, zero = g.weight(np.float32(0.03)), g.weight(zero)
        return g, lambda x: g.node("DequantizeLinear", g.node("QuantizeLinear", x, scale, zero), scale, zero)

    g, rounded = graph(np.uint8(108))
    x = g.node("AveragePool", rounded("input"), kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1)
    save("openvino_read_back_pool", g, g.head(x, 4, 1), 4, 8, [1])
    g, rounded = graph(np.uint8(108))
    x = rounded(g.node("Flatten", g.node("GlobalAveragePool", "input")))
    weight, bias = (g.weight(g.random.standard_normal(shape).astype(np.float32)) for shape in [(4, 1), (1,)])
    save("openvino_read_back_gemm", g, g.node("Gemm", x, weight, bias, alpha=0.5), 4, 8, [1])
    g, rounded = graph(np.int8(5))
    x = g.conv(rounded(g.node("Concat", "input", g.node("Relu", "input"), axis=1)), 8, 4, 3)
    save("openvino_signed", g, g.head(x, 4, 1), 4, 8, [1])


class Calibration(CalibrationDataReader):
    """A few batches like those that are compared."""

    def __init__(self):
        random = np.random.default_rng(99)
        self.batches = iter([random.standard_normal((4, 4, 64, 64)).astype(np.float32) for _ in range(4)])

    def get_next(self):
        batch = next(self.batches, None)
        return None if batch is None else {"input": batch}


def int8():
    """resnet18 as onnxruntime's own quantizer makes it: unsigned activations, signed weights per channel, a float head."""
    path = FOLDER / "int8.onnx"
    quantize_static(FOLDER / "resnet18.onnx", path, Calibration(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    op_types_to_quantize=["Conv", "Add", "MaxPool"])
    batch = np.random.default_rng(16).standard_normal((32, 4, 64, 64)).astype(np.float32)
    write("int8.input.bin", batch)
    for model, name in ((path, "output"), (FOLDER / "resnet18.onnx", "fp32")):
        session = onnxruntime.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
        write(f"int8.{name}.bin", session.run(None, {"input": batch})[0])


for make in (binary, multiclass, segmentation, resnet18, logarithm, quantised, dilated, normalised, reflected, half, huge,
             grown, batchless, single, integers, fp16, steps, wrong_in_openvino, wrong_in_openvino_in_8_bits, int8):
    make()
