"""A detector as one ONNX graph: from the bytes of raw images to score, verdict and p-value, with no other program needed.

The graph is written operator by operator, in the order of core/preprocessing.py, memory.py and scoring.py, whose functions
have the same names; tests compare the two. torch's own exporters are not used: the old one is deprecated and traces with
global state, which a server with many threads cannot have, and the new one needs a further package. Nothing is left out: what
the ink encloses is found by a flood that ends when nothing changes.
"""

import json
import math
from dataclasses import asdict

import numpy as np
import onnx
from onnx import TensorProto, helper
from torch import nn

from core import preprocessing
from core.checkpoint import FORMAT, VERSION, Checkpoint
from core.detector import AutoencoderDetector
from core.framing import FAINT, SIDE, STROKE_WIDTH
from core.memory import squared_norms
from core.model import PIXELS
from core.onnx_graph import PER_IMAGE, Graph, Number, Value
from core.preprocessing import INK_LEVELS, Preprocessing, pose_angles
from core.scoring import TOLERATED_TURN, ScoreConfig

OPSET, IR_VERSION = 18, 8
"""Those of ONNX 1.13 (2022): old runtimes read them too."""

INPUT = "pixels"
OUTPUTS = ("score", "threshold", "is_anomaly", "p_value", "image", "reconstruction", "error_map")

# ---------------------------------------------------------------- core/preprocessing.py


def preprocess(graph: Graph, images: Value, kind: Preprocessing) -> Value:
    """Images (N, 1, 28, 28) as the network sees them."""
    if kind == "none":
        return images
    return _deskewed(graph, images, images, SIDE).clamp(0, 1) if kind == "deskew" else _standard_stroke(graph, images)


def poses(graph: Graph, images: Value, turns: int) -> Value:
    """(N, 1, 28, 28) to (P * N, 1, 28, 28)."""
    if turns == 0:
        return images
    turned = [_deskewed(graph, images, images, SIDE, degrees=angle).clamp(0, 1) for angle in pose_angles(turns)[1:]]
    return graph("Concat", images, *turned, axis=0)


def _deskewed(graph: Graph, images: Value, ink: Value, side: int, to_usual_size: bool = False, degrees: float = 0.0) -> Value:
    """Images (N, C, 28, 28) by the moments of ink (N, 1, 28, 28), in side x side pixels."""
    down, right = (graph.constant(np.arange(SIDE).reshape(shape)) for shape in ((1, 1, SIDE, 1), (1, 1, 1, SIDE)))
    mass = ink.sum().at_least(1e-6)
    by_row, by_column = ink.reduced("ReduceSum", [3]), ink.reduced("ReduceSum", [2])
    centre_y, centre_x = (by_row * down).sum() / mass, (by_column * right).sum() / mass
    away_y, away_x = down - centre_y, right - centre_x
    covariance = (ink * away_y * away_x).sum() / mass
    variance_x, variance_y = (by_column * away_x * away_x).sum() / mass, (by_row * away_y * away_y).sum() / mass
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    if degrees:
        covariance, variance_x, variance_y = (
            (cosine**2 - sine**2) * covariance + cosine * sine * (variance_x - variance_y),
            cosine**2 * variance_x - 2 * cosine * sine * covariance + sine**2 * variance_y,
            sine**2 * variance_x + 2 * cosine * sine * covariance + cosine**2 * variance_y,
        )
    shear = graph("Where", variance_y > 0.5, covariance / variance_y.at_least(0.5), 0.0).clamp(-1, 1)
    scale: Number = 1.0
    if to_usual_size:
        variance_x = variance_x - covariance * covariance / variance_y.at_least(0.5)
        spread = graph("Sqrt", variance_y + variance_x.at_least(0))
        scale = graph("Sqrt", spread / preprocessing.USUAL_SPREAD).clamp(0.6, 1.6)
    # Where each output pixel comes from, in [-1, 1]: affine_grid of torch, align_corners=False.
    steps = (2 * np.arange(side) + 1) / side - 1
    x, y = (graph.constant(steps.reshape(shape)) for shape in ((1, 1, 1, side), (1, 1, side, 1)))
    middle = (SIDE - 1) / 2
    from_x = scale * (cosine * x + (cosine * shear + sine) * y) + (centre_x - middle) / (SIDE / 2)
    from_y = scale * (-sine * x + (cosine - sine * shear) * y) + (centre_y - middle) / (SIDE / 2)
    last = graph.integers([4])
    grid = graph("Concat", graph("Unsqueeze", from_x, last), graph("Unsqueeze", from_y, last), axis=4)
    grid = graph("Squeeze", grid, graph.integers([1]))  # (N, side, side, 2)
    return graph("GridSample", images, grid, mode="bilinear", padding_mode="zeros", align_corners=0)


def _standard_stroke(graph: Graph, images: Value) -> Value:
    even = _even_contrast(graph, images)
    is_ink = _soft_step(even, FAINT)
    once = _eroded(graph, even, corners=False)
    depth = even + 0.5 * (once + _eroded(graph, once, corners=True))
    both = graph("Concat", depth, is_ink, axis=1)
    enlarged = _deskewed(graph, both, is_ink, preprocessing.ENLARGEMENT * SIDE, to_usual_size=True)  # (N, 2, 56, 56)
    depth, is_ink = graph.all_of("Split", enlarged, graph.integers([1, 1]), results=2, axis=1)
    length = _outline(graph, is_ink, preprocessing.ENLARGEMENT * SIDE) / 2
    wanted_area = STROKE_WIDTH * preprocessing.ENLARGEMENT * length
    low, high = wanted_area * 0.0, wanted_area * 0.0 + preprocessing.HIGHEST_LEVEL
    for _ in range(preprocessing.LEVELS.bit_length() - 1):  # which halve what is left of the levels
        level = (low + high) / 2
        is_too_much = (depth > level).to(TensorProto.FLOAT).sum() > wanted_area
        low, high = graph("Where", is_too_much, level, low), graph("Where", is_too_much, high, level)
    level = ((low + high) / 2).at_least(preprocessing.EDGE / 2)
    standard = ((depth - level) / preprocessing.EDGE + 0.5).clamp(0, 1)
    return graph("AveragePool", standard, kernel_shape=2 * [preprocessing.ENLARGEMENT], strides=2 * [preprocessing.ENLARGEMENT])


def _even_contrast(graph: Graph, images: Value) -> Value:
    blurred = blur(graph, images, 0.6)
    above = blurred - _median(graph, blurred)
    darkness = _to_peak(above)
    ink = ((darkness - preprocessing.NOISE) / (1 - preprocessing.NOISE)).at_least(0)
    is_ink = _soft_step(ink, FAINT)
    width = is_ink.sum() / (_outline(graph, is_ink, SIDE) / 2).at_least(1)
    noise = (_median(graph, graph("Abs", above) / _peak(above)) * 4.0).clamp(0, preprocessing.NOISE)
    hairline = ((preprocessing.HAIRLINE - width) / 0.05).clamp(0, 1)
    faint = ink + hairline * (((darkness - noise) / (1.0 - noise)).at_least(0) - ink)
    thinness = ((preprocessing.THIN - width) / 0.4).clamp(0, 1)
    ink = ink + thinness * (_to_peak(blur(graph, faint, 0.7)) - ink)
    around = graph("MaxPool", ink, kernel_shape=[8, 8], strides=[4, 4], pads=[2, 2, 2, 2])
    around = graph("Resize", around, Value(graph, ""), graph.constant([1, 1, 4, 4]), mode="linear")
    return (ink / around.at_least(FAINT)).clamp(0, 1)


def _to_peak(images: Value) -> Value:
    return images.at_least(0) / _peak(images)


def _peak(images: Value) -> Value:
    return images.reduced("ReduceMax").at_least(1e-4)


def _median(graph: Graph, images: Value) -> Value:
    """torch's is the lower one of the two in the middle."""
    lower, _ = graph.all_of("TopK", images.reshaped(-1, PIXELS), graph.integers([PIXELS // 2]), results=2, largest=0)
    return graph("Gather", lower, graph.integers([PIXELS // 2 - 1]), axis=1).reshaped(-1, 1, 1, 1)


def _soft_step(images: Value, level: float) -> Value:
    return ((images - level) / 0.25 + 0.5).clamp(0, 1)


def _outline(graph: Graph, is_ink: Value, side: int) -> Value:
    """Length (N, 1, 1, 1) of the outlines in images (N, 1, side, side)."""

    def part(top: int, left: int) -> Value:
        bounds = ([top, left], [top + side - 1, left + side - 1], [2, 3])
        return graph("Slice", is_ink, *(graph.integers(each) for each in bounds))

    corner = part(0, 0)
    down, right = part(1, 0) - corner, part(0, 1) - corner
    return graph("Sqrt", down * down + right * right).sum()


def _eroded(graph: Graph, images: Value, corners: bool) -> Value:
    paper = -images
    if corners:
        return -graph("MaxPool", paper, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    return -_dilated(graph, paper)


def _dilated(graph: Graph, images: Value) -> Value:
    """The highest value of each pixel and its four neighbours."""
    upright = graph("MaxPool", images, kernel_shape=[3, 1], pads=[1, 0, 1, 0])
    return graph("Max", upright, graph("MaxPool", images, kernel_shape=[1, 3], pads=[0, 1, 0, 1]))


def blur(graph: Graph, images: Value, sigma: float) -> Value:
    """Images (N, 1, H, W) blurred by a Gaussian of sigma pixels, with nothing beyond the border."""
    reach = max(1, math.ceil(3 * sigma))
    kernel = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    images = graph("Conv", images, graph.constant(kernel.reshape(1, 1, -1, 1)), pads=[reach, 0, reach, 0])
    return graph("Conv", images, graph.constant(kernel.reshape(1, 1, 1, -1)), pads=[0, reach, 0, reach])


def enclosed_side(graph: Graph, images: Value) -> Value:
    """Side in pixels (N, 1, 1, 1) of a square as large as what the ink of images (N, 1, 28, 28) encloses.

    The paper outside is flooded from a margin, one pixel a step, until nothing more is reached.
    """
    side = SIDE + 2
    ink = graph("Pad", images, graph.integers([0, 0, 1, 1, 0, 0, 1, 1]), 0.0)
    levels = graph.constant(np.array(INK_LEVELS).reshape(1, -1, 1, 1))
    paper = graph("LessOrEqual", ink, levels).to(TensorProto.FLOAT)  # (N, 4, 30, 30)
    margin = np.ones((1, 1, side, side))
    margin[:, :, 1:-1, 1:-1] = 0
    body = Graph("flood_")
    before = Value(body, "flooded")
    after = before
    for _ in range(STEPS_PER_LOOK):
        after = _dilated(body, after) * Value(body, paper.name)
    # From the sum, and not from the largest, which an empty batch has not.
    grown = (after - before).reduced("ReduceSum", [0, *PER_IMAGE], keepdims=False) > 0.0
    body.named(grown, "goes_on")
    body.named(after, "flooded_more")
    shape: list[str | int] = ["images", len(INK_LEVELS), side, side]
    loop = helper.make_graph(
        body.nodes,
        "flood",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("is_first", TensorProto.BOOL, []),
            helper.make_tensor_value_info("flooded", TensorProto.FLOAT, shape),
        ],
        [
            helper.make_tensor_value_info("goes_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("flooded_more", TensorProto.FLOAT, shape),
        ],
        initializer=body.initializers,
    )
    most = graph.constant(side * side, np.int64)
    outside = graph("Loop", most, graph.constant(True, np.bool_), paper * graph.constant(margin), body=loop)
    area = (paper - outside).sum() / len(INK_LEVELS)
    return graph("Sqrt", area)


STEPS_PER_LOOK = 4
"""Steps of the flood before it is looked at whether anything was reached."""


# ---------------------------------------------------------------- the network, core/memory.py, core/scoring.py


def _network(graph: Graph, values: Value, modules: nn.Sequential) -> Value:
    for module in modules:
        if isinstance(module, nn.Linear):
            values = graph("Gemm", values, graph.tensor(module.weight), graph.tensor(module.bias), transB=1)
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            assert module.bias is not None
            assert not isinstance(module.padding, str)
            vertical, horizontal = module.padding
            values = graph(
                "Conv" if isinstance(module, nn.Conv2d) else "ConvTranspose",
                *(values, graph.tensor(module.weight), graph.tensor(module.bias)),
                strides=list(module.stride),
                pads=[vertical, horizontal, vertical, horizontal],
            )
        elif isinstance(module, nn.Flatten):
            values = graph("Flatten", values)
        elif isinstance(module, nn.Unflatten):
            values = values.reshaped(-1, *module.unflattened_size)
        else:
            values = graph({nn.ReLU: "Relu", nn.Sigmoid: "Sigmoid"}[type(module)], values)
    return values


def _reconstruct(graph: Graph, seen: Value, detector: AutoencoderDetector) -> Value:
    """Reconstructions (N, 1, 28, 28) of preprocessed images."""
    latents = _network(graph, seen, detector.model.encoder)
    if not detector.config.neighbours:
        return _network(graph, latents, detector.model.decoder)
    memory, count = graph.tensor(detector.memory_), min(detector.config.neighbours, len(detector.memory_))
    distances = graph.tensor(squared_norms(detector.memory_)) - graph(
        "MatMul", latents * 2.0, graph("Transpose", memory, perm=[1, 0])
    )
    _, nearest = graph.all_of("TopK", distances, graph.integers([count]), results=2, largest=0)  # (N, K)
    remembered = graph("Gather", memory, nearest, axis=0).reshaped(-1, detector.config.model.latent_dim)
    reconstructions = _network(graph, remembered, detector.model.decoder).reshaped(-1, count, 1, SIDE, SIDE)
    return reconstructions.reduced("ReduceMean", [1], keepdims=False)


def map_score(graph: Graph, error_maps: Value, images: Value, config: ScoreConfig) -> Value:
    """(N, 1, 1, 1)."""
    powers = error_maps * error_maps if config.power == 2 else graph("Pow", graph("Abs", error_maps), config.power)
    if config.ink_exponent == 0:
        return powers.mean()
    return powers.mean() / graph("Pow", images.mean().at_least(0.01), config.ink_exponent)


def _least_strange(graph: Graph, scores: Value, turns: int) -> tuple[Value, Value]:
    """Of each image's poses the least score (N,), and where that pose stands among all P * N."""
    angles = np.array(pose_angles(turns)).reshape(-1, 1)
    by_pose = scores.reshaped(len(angles), -1) * graph.constant(1 + (angles / TOLERATED_TURN) ** 2)  # (P, N)
    count = graph("Gather", graph("Shape", by_pose), graph.constant(1, np.int64))
    zero, one = graph.constant(0, np.int64), graph.constant(1, np.int64)
    places = graph("ArgMin", by_pose, axis=0, keepdims=0) * count + graph("Range", zero, count, one)
    return by_pose.reduced("ReduceMin", [0], keepdims=False), places


# ---------------------------------------------------------------- the whole


def to_onnx(checkpoint: Checkpoint) -> bytes:
    """The file: input `pixels`, uint8 (N, 28, 28), light ink on black, and of each image

    score float32 (N,); threshold float64 (); is_anomaly bool (N,); p_value float64 (N,); image, reconstruction and
    error_map float32 (N, 28, 28): as the network sees it, in the pose it is judged in. Settings, figures and threshold are
    metadata. A few hundred images at a time; more need much memory.
    """
    detector, config, graph = checkpoint.detector, checkpoint.config, Graph()
    pixels = Value(graph, INPUT)
    images = graph("Unsqueeze", pixels.to(TensorProto.FLOAT) / 255.0, graph.integers([1]))
    upright = preprocess(graph, images, config.preprocessing)
    seen = poses(graph, upright, config.turns)
    reconstructions = _reconstruct(graph, seen, detector)
    maps = seen - reconstructions
    if config.score.smoothing > 1e-3:
        maps = blur(graph, maps, config.score.smoothing)
    scores = map_score(graph, maps, seen, config.score).reshaped(-1)
    if config.turns:
        scores, places = _least_strange(graph, scores, config.turns)
        seen, reconstructions, maps = (graph("Gather", each, places, axis=0) for each in (seen, reconstructions, maps))
    if config.score.loop_weight:
        mean, deviation = detector.usual_loops_.tolist()
        unusual = ((enclosed_side(graph, upright) - mean) / deviation).reshaped(-1)
        scores = scores * (1.0 + config.score.loop_weight * (unusual * unusual))
    threshold = graph.constant(detector.threshold_, np.float64)
    calibration = graph.tensor(detector.calibration_scores_)
    is_as_high = graph("GreaterOrEqual", calibration, scores.reshaped(-1, 1)).to(TensorProto.DOUBLE)
    one, total = (graph.constant(each, np.float64) for each in (1, len(detector.calibration_scores_) + 1))
    results = {
        "score": scores,
        "threshold": threshold,
        "is_anomaly": scores.to(TensorProto.DOUBLE) > threshold,
        "p_value": (is_as_high.reduced("ReduceSum", [1], keepdims=False) + one) / total,
        "image": seen.reshaped(-1, SIDE, SIDE),
        "reconstruction": reconstructions.reshaped(-1, SIDE, SIDE),
        "error_map": maps.reshaped(-1, SIDE, SIDE),
    }
    for name in OUTPUTS:
        graph.named(results[name], name)
    return _file(graph, _metadata(checkpoint))


def _metadata(checkpoint: Checkpoint) -> dict[str, str]:
    """What the checkpoint's header says too, as texts."""
    return {
        "format": FORMAT,
        "version": str(VERSION),
        "detector": json.dumps(asdict(checkpoint.config)),
        "threshold": repr(checkpoint.detector.threshold_),
        "evaluation": json.dumps(asdict(checkpoint.evaluation) if checkpoint.evaluation else None),
    }


def _file(graph: Graph, metadata: dict[str, str]) -> bytes:
    kinds = {"threshold": TensorProto.DOUBLE, "p_value": TensorProto.DOUBLE, "is_anomaly": TensorProto.BOOL}
    shapes: dict[str, list[str | int]] = {"threshold": []}
    shapes |= {name: ["images", SIDE, SIDE] for name in ("image", "reconstruction", "error_map")}
    made = helper.make_graph(
        graph.nodes,
        FORMAT,
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, ["images", SIDE, SIDE])],
        [
            helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), shapes.get(name, ["images"]))
            for name in OUTPUTS
        ],
        initializer=graph.initializers,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name=FORMAT)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
