"""Models as others publish them, scenes for them, and what numpy and onnxruntime make of both: for tests/foreign.rs.

usage: make_foreign.py FOLDER

The ONNX files carry the metadata that Deepness documents and GeoDeep reads, each value through json.dumps; the item is
written as the Machine Learning Model extension's own example is. For each model and scene NAME.classes.bin holds a byte for
every pixel: the class that their preprocessing and their rule give, 255 where there is no data, 254 where the probability
lies so near the threshold that rounding may decide. NAME.percent.bin holds its probability.
"""

import hashlib
import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
import rasterio
from onnx import TensorProto, helper, numpy_helper
from rasterio.transform import Affine

FOLDER = pathlib.Path(sys.argv[1])
SIDE, SCENE = 64, 128
RANDOM = np.random.default_rng(7)
NEAR = 2e-4


def weights(name, *shape, scale=1.0):
    return numpy_helper.from_array((RANDOM.standard_normal(shape) * scale).astype(np.float32), name)


def save(name, nodes, initializers, output, metadata=None, bands=3, opset=17, batch="n", side=SIDE, kind=TensorProto.FLOAT,
         inputs=None):
    """A model of one input `image` and the output `out`."""
    shape = inputs or [batch, bands, side, side]
    graph = helper.make_graph(
        nodes, "graph", [helper.make_tensor_value_info("image", kind, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, output)], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, json.dumps(value)
    onnx.checker.check_model(model)
    onnx.save(model, FOLDER / name)


def network(classes, scene=None):
    """A convolution over 3 x 3 pixels, a ReLU and one over the channels: `logits`, of mean 0 and deviation 1.5 on `scene`."""
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "w2", "b2"], ["logits"], kernel_shape=[1, 1]),
    ]
    scene = np.zeros((3, SIDE, SIDE)) if scene is None else scene
    spread = 1 / max(scene.std(), 1e-3)
    init = {"w1": RANDOM.standard_normal((8, 3, 3, 3)) * spread / 3, "w2": RANDOM.standard_normal((classes, 8, 1, 1)),
            "b1": RANDOM.standard_normal(8) * 0.1, "b2": np.zeros(classes)}
    # So that what the ReLU cuts off is about half.
    init["b1"] -= init["w1"].sum((1, 2, 3)) * scene.mean()

    def tensors():
        return [numpy_helper.from_array(array.astype(np.float32), name) for name, array in init.items()]

    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, None, None])],
                              [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)], tensors())
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    found = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(
        None, {"image": scene[None].astype(np.float32)})[0][0].reshape(classes, -1)
    gain = 1.5 / np.maximum(found.std(1), 1e-3)
    init["w2"] *= gain[:, None, None, None]
    init["b2"] = -found.mean(1) * gain
    return nodes, tensors()


def deepness(classes, **further):
    return {"model_type": "Segmentor", "class_names": classes, "resolution": 1000.0, **further}


def models(scenes):
    square = ["n", SIDE, SIDE]
    one = [square[0], 1, *square[1:]]
    three = [square[0], 3, *square[1:]]
    nodes, init = network(1, scenes["roads"])
    nodes.append(helper.make_node("Sigmoid", ["logits"], ["out"]))
    # As PyTorch exports by default: one row at a time.
    save("roads.onnx", nodes, init, [1, 1, SIDE, SIDE], batch=1, metadata=deepness(
        {0: "not_road", 1: "road"}, tiles_size=SIDE, tiles_overlap=25.0, seg_thresh=0.3, seg_small_segment=7,
        standardization_mean=[0.485, 0.456, 0.406], standardization_std=[0.229, 0.224, 0.225]))
    nodes, init = network(3, scenes["sixteen"])
    nodes.append(helper.make_node("Softmax", ["logits"], ["out"], axis=1))
    # As its code reads it and its documentation does not say: `names`, a list of one for every output, and `tile_size`.
    save("sixteen.onnx", nodes, init, three, metadata={
        "model_type": "Segmentor", "resolution": 1000.0, "tile_size": SIDE,
        "names": [{0: "background", 1: "building", 2: "open water"}], "tiles_overlap": 5.0, "seg_thresh": 0.6,
        "standardization_mean": [4.0], "standardization_std": [2.0]})
    nodes, init = network(3, scenes["geodeep"])
    # Before operator set 13 a soft-max over channels was exported between two transpositions.
    nodes += [
        helper.make_node("Transpose", ["logits"], ["last"], perm=[0, 2, 3, 1]),
        helper.make_node("Softmax", ["last"], ["p"], axis=3),
        helper.make_node("Transpose", ["p"], ["out"], perm=[0, 3, 1, 2]),
    ]
    save("geodeep.onnx", nodes, init, three, opset=11, metadata=deepness({"0": "a", "1": "b", "2": "c"}))
    nodes, init = network(2, scenes["geodeep"])
    nodes += [
        helper.make_node("Exp", ["logits"], ["e"]),
        helper.make_node("ReduceSum", ["e", "axes"], ["sum"], keepdims=1),
        helper.make_node("Div", ["e", "sum"], ["out"]),
    ]
    init.append(numpy_helper.from_array(np.array([1], np.int64), "axes"))
    save("by-hand.onnx", nodes, init, ["n", 2, SIDE, SIDE], metadata=deepness({"0": "other", "1": "field"}))
    nodes, init = network(1, scenes["geodeep"])
    nodes += [
        helper.make_node("Neg", ["logits"], ["m"]),
        helper.make_node("Exp", ["m"], ["e"]),
        helper.make_node("Add", ["e", "unit"], ["s"]),
        helper.make_node("Reciprocal", ["s"], ["out"]),
    ]
    init.append(numpy_helper.from_array(np.array([1], np.float32), "unit"))
    save("one-by-hand.onnx", nodes, init, one, metadata=deepness({"0": "field"}, seg_thresh=0.4))
    # Right for up to four rows together, as an engine's own mistakes may be.
    nodes, init = network(1, scenes["geodeep"])
    nodes += [
        helper.make_node("Shape", ["image"], ["rows"], start=0, end=1),
        helper.make_node("Cast", ["rows"], ["count"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["count", "four"], ["more"]),
        helper.make_node("Relu", ["more"], ["beyond"]),
        helper.make_node("Add", ["logits", "beyond"], ["moved"]),
        helper.make_node("Sigmoid", ["moved"], ["out"]),
    ]
    init.append(numpy_helper.from_array(np.array([4], np.float32), "four"))
    save("crowded.onnx", nodes, init, one, metadata=deepness({"0": "field"}))
    # A detector's boxes, and everything else that is refused.
    nodes = [helper.make_node("Reshape", ["image", "to"], ["out"])]
    to = numpy_helper.from_array(np.array([0, 3, -1], np.int64), "to")
    save("cars.onnx", nodes, [to], ["n", 3, SIDE * SIDE],
         metadata={"model_type": "Detector", "det_conf": 0.3, "det_type": "YOLO_v7", "class_names": {"0": "car"}})
    save("boxes.onnx", nodes, [to], ["n", 3, SIDE * SIDE], metadata=deepness({"0": "a", "1": "b", "2": "c"}))
    nodes, init = network(3)
    plain = [*nodes[:2], helper.make_node("Conv", ["r", "w2", "b2"], ["out"], kernel_shape=[1, 1])]
    save("logits.onnx", plain, init, three, metadata=deepness({"0": "a", "1": "b", "2": "c"}))
    save("mean-alone.onnx", plain, init, three, metadata=deepness({"0": "a", "1": "b", "2": "c"}, standardization_mean=[0.5]))
    save("two-sizes.onnx", plain, init, three, metadata=deepness({"0": "a", "1": "b", "2": "c"}, tile_size=32, tiles_size=SIDE))
    save("open.onnx", plain, init, ["n", 3, "h", "w"], inputs=["n", 3, "h", "w"])
    save("four-rows.onnx", plain, init, [4, 3, SIDE, SIDE], batch=4, metadata=deepness({"0": "a", "1": "b", "2": "c"}))
    save("third.onnx", plain, init, three, metadata=deepness({"0": "a", "1": "b", "2": "c"}, seg_thresh=0.4))
    save("text.onnx", plain, init, three, metadata=deepness({"0": "a", "1": "b", "2": "c"}, seg_thresh="high"))
    sigmoids = [*nodes, helper.make_node("Sigmoid", ["logits"], ["out"])]
    save("labels.onnx", sigmoids, init, three, metadata=deepness({"0": "a", "1": "b", "2": "c"}))
    wrong = [*nodes, helper.make_node("Softmax", ["logits"], ["out"], axis=3)]
    save("wrong-axis.onnx", wrong, init, three, metadata=deepness({"0": "a", "1": "b", "2": "c"}))
    cast = [helper.make_node("Cast", ["image"], ["out"], to=TensorProto.FLOAT)]
    save("bytes.onnx", cast, [], three, kind=TensorProto.UINT8, metadata=deepness({"0": "a", "1": "b", "2": "c"}))
    last = [helper.make_node("Identity", ["image"], ["out"])]
    save("last.onnx", last, [], ["n", SIDE, SIDE, 3], inputs=["n", SIDE, SIDE, 3], metadata=deepness({"0": "a", "1": "b"}))
    branch = helper.make_graph([helper.make_node("Identity", ["image"], ["x"])], "b", [],
                               [helper.make_tensor_value_info("x", TensorProto.FLOAT, three)])
    condition = numpy_helper.from_array(np.array(True), "yes")
    choice = [helper.make_node("If", ["yes"], ["out"], then_branch=branch, else_branch=branch)]
    save("branches.onnx", choice, [condition], three, metadata=deepness({"0": "a", "1": "b", "2": "c"}))
    outside = onnx.load(FOLDER / "logits.onnx")
    onnx.save(outside, FOLDER / "outside.onnx", save_as_external_data=True, location="outside.bin", size_threshold=0)


MEANS, DEVIATIONS = [1354.4, 1118.2, 1042.9, 2296.8], [245.7, 333.0, 395.1, 1117.9]
CLASSES = ["Annual Crop", "Forest", "SeaLake"]


def item():
    """A scene classifier, and its item after the extension's own example: z-scores of DN."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"], axis=1),
        helper.make_node("Gemm", ["f", "w", "b"], ["out"], transB=1),
    ]
    save("eurosat.onnx", nodes, [weights("w", 3, 4), weights("b", 3, scale=0.1)], ["n", 3], bands=4)
    nodes = [*nodes[:2], helper.make_node("Gemm", ["f", "w", "b"], ["z"], transB=1),
             helper.make_node("Sigmoid", ["z"], ["out"])]
    save("binary.onnx", nodes, [weights("w", 1, 4), weights("b", 1, scale=0.1)], ["n", 1], bands=4,
         metadata={"model_type": "Classification", "class_names": {"0": "ship"}})
    content = (FOLDER / "eurosat.onnx").read_bytes()
    properties = {
        "start_datetime": "1900-01-01T00:00:00Z", "end_datetime": "9999-01-01T00:00:00Z", "datetime": None,
        "description": "Sourced from torchgeo python library",
        "mlm:name": "Resnet-18 Sentinel-2 ALL MOCO", "mlm:architecture": "ResNet-18", "mlm:tasks": ["classification"],
        "mlm:framework": "pytorch", "mlm:accelerator": "cuda", "mlm:pretrained": True,
        "mlm:pretrained_source": "EuroSat Sentinel-2", "mlm:total_parameters": 11700000,
        "mlm:input": [{
            "name": "4 Band Sentinel-2 Batch", "bands": ["B4", {"name": "B03"}, "B02", "B08"],
            "input": {"shape": [-1, 4, SIDE, SIDE], "dim_order": ["batch", "bands", "height", "width"],
                      "data_type": "float32"},
            "value_scaling": [{"type": "z-score", "mean": m, "stddev": s} for m, s in zip(MEANS, DEVIATIONS)],
            "resize_type": None, "pre_processing_function": None}],
        "mlm:output": [{
            "name": "classification", "tasks": ["classification"],
            "result": {"shape": [-1, 3], "dim_order": ["batch", "class"], "data_type": "float32"},
            "classification:classes": [{"value": i, "name": c, "description": c} for i, c in enumerate(CLASSES)],
            "post_processing_function": None}]}
    described = {
        "type": "Feature", "stac_version": "1.1.0", "id": "eurosat", "geometry": None, "links": [],
        "stac_extensions": ["https://stac-extensions.github.io/mlm/v1.4.0/schema.json",
                            "https://stac-extensions.github.io/file/v2.1.0/schema.json"],
        "properties": properties,
        "assets": {
            "model": {"href": "./eurosat.onnx", "type": "application/onnx", "roles": ["mlm:model", "mlm:weights", "data"],
                      "mlm:artifact_type": "onnx", "file:size": 43000000,
                      "file:checksum": "1220" + hashlib.sha256(content).hexdigest()},
            "source_code": {"href": "https://example.com/resnet.py", "type": "text/x-python",
                            "roles": ["mlm:source_code", "code"]}}}
    (FOLDER / "eurosat.json").write_text(json.dumps(described))


def field():
    """DN of four bands with edges, slopes and noise, no two alike; a corner without data."""
    y, x = np.mgrid[:SCENE, :SCENE]
    waves = [np.sin(x / (9 + 3 * b)) * np.cos(y / (13 - 2 * b)) for b in range(4)]
    steps = [(x // 29 + y // 31 + b) % 3 for b in range(4)]
    noise = RANDOM.normal(0, 60, (4, SCENE, SCENE))
    dn = 900 + 250 * np.arange(4)[:, None, None] + 400 * np.array(waves) + 350 * np.array(steps) + noise
    dn = np.clip(np.rint(dn), 1, 10000).astype(np.uint16)
    dn[:, :5, :9] = 0
    return dn


def write(name, pixels, names, nodata, pixel_m=10.0):
    transform = Affine.translation(500000, 5400000) @ Affine.scale(pixel_m, -pixel_m)
    with rasterio.open(FOLDER / name, "w", driver="GTiff", width=pixels.shape[2], height=pixels.shape[1],
                       count=len(pixels), dtype=pixels.dtype, crs="EPSG:32632", transform=transform, nodata=nodata,
                       tiled=True, blockxsize=64, blockysize=64, compress="deflate") as file:
        file.write(pixels)
        for band, text in enumerate(names, 1):
            file.set_band_description(band, text)


def windows(pixels):
    """The scene in windows that do not overlap, as [n, bands, side, side], with their places."""
    places = [(row, column) for row in range(0, SCENE, SIDE) for column in range(0, SCENE, SIDE)]
    return places, np.stack([pixels[:, r:r + SIDE, c:c + SIDE] for r, c in places])


def run(model, batch):
    session = onnxruntime.InferenceSession(FOLDER / model, providers=["CPUExecutionProvider"])
    [node] = session.get_inputs()
    return np.concatenate([session.run(None, {node.name: row[None].astype(np.float32)})[0] for row in batch])


def expect(name, model, inputs, has_data, rule):
    """Writes what onnxruntime and `rule` (probabilities to classes and distances from a threshold) give."""
    places, batch = windows(inputs)
    found = run(model, batch)
    if found.shape[1] == 1:
        found = np.concatenate([1 - found, found], axis=1)
    classes, percent = np.zeros((SCENE, SCENE), np.uint8), np.zeros((SCENE, SCENE), np.uint8)
    for (r, c), p in zip(places, found):
        label, distance = rule(p)
        label = np.where(distance < NEAR, 254, label)
        classes[r:r + SIDE, c:c + SIDE] = label
        of_label = np.take_along_axis(p, np.minimum(label, len(p) - 1)[None].astype(np.int64), 0)[0]
        percent[r:r + SIDE, c:c + SIDE] = np.rint(100 * of_label)
    classes[~has_data] = 255
    counts = {int(label): int((classes == label).sum()) for label in np.unique(classes)}
    assert sum(count > 300 for label, count in counts.items() if label < 254) >= 2, (name, counts)
    assert counts.get(254, 0) < 100, (name, counts)
    (FOLDER / f"{name}.classes.bin").write_bytes(classes.tobytes())
    (FOLDER / f"{name}.percent.bin").write_bytes(percent.tobytes())


def above(threshold):
    """Deepness, one channel: a pixel above the threshold is of the class."""
    return lambda p: ((p[1] > threshold).astype(np.uint8), np.abs(p[1] - threshold))


def likeliest(threshold):
    """GeoDeep: what is below the threshold is 0, then the largest wins, and the first class where none is left."""
    def rule(p):
        kept = np.where(p < threshold, 0, p)
        ordered = np.sort(p, axis=0)
        margin = ordered[-1] - ordered[-2]
        nearest = np.abs(p - threshold).min(0) if threshold > 0 else margin
        return kept.argmax(0).astype(np.uint8), np.minimum(margin, nearest)
    return rule


def main():
    dn = field()
    has_data = (dn > 0).all(0)
    picture = np.clip(np.rint(dn[:3] / 3000 * 255), 0, 255).astype(np.uint8)
    mean, deviation = [np.array(v)[:, None, None] for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]

    def masked(inputs):
        """What lies outside the data is each band's mean, 0, as in this house."""
        return np.where(has_data, inputs, 0.0)

    scenes = {
        # Deepness: samples / 255, then mean and deviation. GeoDeep: 8 bits / 255, 16 bits / 65535.
        "roads": (picture / 255 - mean) / deviation,
        "reflectance": masked((np.clip(dn[:3] / 1e4 / 0.3, 0, 1) - mean) / deviation),
        "sixteen": masked((dn[:3] / 255.0 - 4.0) / 2.0),
        "geodeep": masked(dn[:3] / 65535.0),
    }
    models(scenes)
    item()
    write("scene.tif", dn[:3], ["B04", "B03", "B02"], 0)
    write("shuffled.tif", dn[[3, 1, 0, 2]], ["B08", "B03", "B04", "B02"], 0)
    write("fine.tif", dn[:3], ["B04", "B03", "B02"], 0, pixel_m=0.5)
    write("four.tif", dn[:, 10:10 + SIDE, 10:10 + SIDE], ["B04", "B03", "B02", "B08"], 0)
    write("picture.tif", picture, ["B04", "B03", "B02"], None)
    expect("roads", "roads.onnx", scenes["roads"], np.ones_like(has_data), above(0.3))
    expect("reflectance", "roads.onnx", scenes["reflectance"], has_data, above(0.3))
    expect("sixteen", "sixteen.onnx", scenes["sixteen"], has_data, likeliest(0.6))
    for name, rule in [("geodeep", likeliest(0.0)), ("by-hand", likeliest(0.0)), ("one-by-hand", above(0.4))]:
        expect(name, f"{name}.onnx", scenes["geodeep"], has_data, rule)
    four = dn[:, 10:10 + SIDE, 10:10 + SIDE].astype(np.float64)
    scaled = (four - np.array(MEANS)[:, None, None]) / np.array(DEVIATIONS)[:, None, None]
    logits = run("eurosat.onnx", scaled[None])[0].astype(np.float64)
    shares = np.exp(logits - logits.max())
    answers = {"scores": (shares / shares.sum()).tolist(), "ship": float(run("binary.onnx", four[None] / 1e4)[0, 0])}
    (FOLDER / "answers.json").write_text(json.dumps(answers))


main()
