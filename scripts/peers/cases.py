"""What is compared with what, and the bars. Folders are those that scripts/bench-peers.sh fills."""

from runs import HERE, Case, Side

FP32 = "resnet18-fp32"
BF16 = "resnet18-bf16-openvino"
INT8 = {"ort": "resnet18-int8-ort", "openvino": "resnet18-int8-openvino"}
ORT_PEER, OPENVINO_PEER = "tifffile_onnxruntime", "tifffile_openvino"
# Two engines round int8 at different places, and a random network amplifies it.
SAME_ENGINE, OTHER_ENGINE = 0.02, 0.2


def against(bench, what, ours, peer, tiles, **bar):
    """`ours` and `peer` are commands of whole programs that write the same scores."""
    return Case(what, Side(ours), Side(peer), tiles, table="peer.csv", **bar)


def floors(bench, what, model, tiles, count, bar):
    """The engine alone, fed from memory: ONNX Runtime with the model's file as it stands, and as s2infer starts it, some
    convolutions written as products of matrices. Its start is taken off, s2infer's is not."""
    ours = Side(bench.ours(model, "ort", tiles))
    alone = Side(*[[bench.python, HERE / "onnxruntime_alone.py", model, rows] for rows in (count, 0)])
    session = Side(*[[bench.floor, model, rows, "ort"] for rows in (count, 0)])
    own = f"{what} as s2infer starts it"
    return [
        Case(what, ours, alone, count, bar=bar),
        Case(own, ours, session, count, also_whole=f"{own}, with the model's loading"),
    ]


def fp32(bench, n):
    ours = bench.ours(FP32, "ort", "tiles")
    peer = lambda script, *flags: bench.peer(script, FP32, "tiles", *flags)
    return [
        against(bench, "tifffile + onnxruntime", ours, peer(ORT_PEER), n, bar=1.1, tolerance=1e-4),
        against(bench, "rasterio + onnxruntime", ours, peer("rasterio_onnxruntime"), n, bar=1.3, tolerance=1e-4),
        against(bench, "tifffile + OpenVINO, f32", ours, peer(OPENVINO_PEER), n, tolerance=1e-4),
        *floors(bench, "ONNX Runtime alone", FP32, "tiles", n, bar=0.93),
    ]


def int8(bench, n):
    ort = bench.ours(INT8["ort"], "ort", "tiles")
    openvino = bench.ours(INT8["openvino"], "openvino", "tiles")
    bf16 = bench.ours(BF16, "openvino", "tiles")
    onnxruntime = bench.peer(ORT_PEER, INT8["ort"], "tiles")
    by_default = bench.peer(OPENVINO_PEER, FP32, "tiles", "--precision", "default")
    return [
        *floors(bench, "ONNX Runtime int8 alone", INT8["ort"], "tiles", n, bar=0.82),
        *floors(bench, "uncompressed tiles, ONNX Runtime int8 alone", INT8["ort"], "tiles-raw", n, bar=0.95),
        against(bench, "tifffile + onnxruntime int8, imagecodecs", ort, onnxruntime, n, bar=1.3, tolerance=SAME_ENGINE),
        against(
            bench, "tifffile + onnxruntime int8, no imagecodecs", ort, [*onnxruntime, "--without-imagecodecs"], n, bar=1.5,
            tolerance=SAME_ENGINE,
        ),
        against(
            bench, "tifffile + onnxruntime int8; s2infer on OpenVINO int8", openvino, onnxruntime, n, bar=2.0,
            tolerance=OTHER_ENGINE,
        ),
        against(
            bench, "tifffile + OpenVINO int8; s2infer on OpenVINO int8", openvino,
            bench.peer(OPENVINO_PEER, INT8["openvino"], "tiles"), n, bar=1.5, tolerance=SAME_ENGINE,
        ),
        against(bench, "tifffile + OpenVINO at its default; s2infer on OpenVINO int8", openvino, by_default, n, bar=2.0),
        against(bench, "tifffile + OpenVINO at its default; s2infer on OpenVINO bf16", bf16, by_default, n, tolerance=0.1),
    ]


def tta(bench, n):
    """Few tiles of much work: what the start of either costs would say more than the tiles, so it is taken off both."""
    folders, d4 = ("tiles-views", "first-views"), ("--tta", "d4")
    ours = lambda engine, *flags: Side(*(bench.ours(INT8[engine], engine, folder, *flags) for folder in folders))
    peer = Side(*(bench.peer(ORT_PEER, INT8["ort"], folder, *d4) for folder in folders))
    case = lambda what, *sides, **bar: Case(what + ", the start taken off both", *sides, n - 1, **bar)
    compared = {"table": "peer.csv"}
    return [
        case("tifffile + onnxruntime int8, d4", ours("ort", *d4), peer, bar=1.05, tolerance=SAME_ENGINE, **compared),
        case(
            "tifffile + onnxruntime int8, d4; s2infer on OpenVINO int8", ours("openvino", *d4), peer, bar=1.3,
            tolerance=OTHER_ENGINE, **compared,
        ),
        case("cost of d4 over none, s2infer on ONNX Runtime int8", ours("ort"), ours("ort", *d4), bar=7.4, at_most=True),
    ]


def workers(bench, n):
    models = {"ONNX Runtime fp32": (FP32, "ort"), "ONNX Runtime int8": (INT8["ort"], "ort")}
    models["OpenVINO int8"] = (INT8["openvino"], "openvino")
    return [
        Case(
            f"one worker against two, wall time, {name}",
            Side(bench.ours(model, engine, "tiles", threads=2)), Side(bench.ours(model, engine, "tiles", threads=1)), n,
            bar=1.9, unit="wall_s",
        )
        for name, (model, engine) in models.items()
    ]


def unet(bench, n):
    kinds = {"f32": ("unet-fp32-openvino", 1e-3), "bf16": ("unet-bf16-openvino", 0.1), "int8": ("unet-int8-openvino", 0.1)}
    cases = []
    for kind, (model, tolerance) in kinds.items():
        # The start is taken off both, as above.
        ours, start = (bench.maps(model, "openvino", folder) for folder in ("maps", "first-map"))
        precision = ("--precision", "bf16" if kind == "bf16" else "f32")
        theirs, their_start = (bench.peer(OPENVINO_PEER, model, folder, *precision) for folder in ("maps", "first-map"))
        what = f"tifffile + OpenVINO {kind}, U-Net, the start taken off both"
        sides = Side(ours, start), Side(theirs, their_start)
        cases.append(Case(what, *sides, n - 1, bar=1.0, tolerance=tolerance, table="peer.csv"))
    return cases
