"""An ONNX graph written operator by operator, as arithmetic on its values."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from onnx import helper, numpy_helper

PER_IMAGE = [1, 2, 3]
"""The axes of one image (N, C, H, W). Numbers of an image, such as its mass, are (N, 1, 1, 1)."""

Number: TypeAlias = "Value | float"


class Value:
    """A tensor of a graph; arithmetic on it adds an operator."""

    def __init__(self, graph: "Graph", name: str) -> None:
        self.graph, self.name = graph, name

    def __add__(self, other: Number) -> "Value":
        return self.graph("Add", self, other)

    def __sub__(self, other: Number) -> "Value":
        return self.graph("Sub", self, other)

    def __mul__(self, other: Number) -> "Value":
        return self.graph("Mul", self, other)

    def __truediv__(self, other: Number) -> "Value":
        return self.graph("Div", self, other)

    def __gt__(self, other: Number) -> "Value":
        return self.graph("Greater", self, other)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: float) -> "Value":
        return self.graph.constant(other) - self

    def __neg__(self) -> "Value":
        return self.graph("Neg", self)

    def clamp(self, low: float, high: float) -> "Value":
        return self.graph("Clip", self, low, high)

    def at_least(self, low: float) -> "Value":
        return self.graph("Max", self, low)

    def to(self, kind: int) -> "Value":
        return self.graph("Cast", self, to=kind)

    def reduced(self, how: str, axes: Sequence[int] = PER_IMAGE, keepdims: bool = True) -> "Value":
        """ReduceSum, ReduceMean or ReduceMax over axes."""
        return self.graph(how, self, self.graph.integers(axes), keepdims=int(keepdims))

    def sum(self) -> "Value":
        return self.reduced("ReduceSum")

    def mean(self) -> "Value":
        return self.reduced("ReduceMean")

    def reshaped(self, *shape: int) -> "Value":
        return self.graph("Reshape", self, self.graph.integers(shape))


class Graph:
    """Collects operators and constants; calling it adds an operator and gives its first result."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []

    def _name(self) -> str:
        return f"{self.prefix}{len(self.nodes)}_{len(self.initializers)}"

    def all_of(self, operator: str, *inputs: Number, results: int, **attributes: Any) -> list[Value]:
        """Add an operator with several results."""
        names = [each.name if isinstance(each, Value) else self.constant(each).name for each in inputs]
        outputs = [f"{operator}_{self._name()}_{number}" for number in range(results)]
        self.nodes.append(helper.make_node(operator, names, outputs, **attributes))
        return [Value(self, name) for name in outputs]

    def __call__(self, operator: str, *inputs: Number, **attributes: Any) -> Value:
        return self.all_of(operator, *inputs, results=1, **attributes)[0]

    def constant(self, value: Any, kind: Any = np.float32) -> Value:
        """Numbers that the graph brings along."""
        name = f"constant_{self._name()}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return Value(self, name)

    def integers(self, values: Sequence[int]) -> Value:
        return self.constant(values, np.int64)

    def tensor(self, values: torch.Tensor) -> Value:
        return self.constant(values.detach().cpu().numpy())

    def named(self, value: Value, name: str) -> None:
        """Give a result the name by which it leaves the graph."""
        self.nodes.append(helper.make_node("Identity", [value.name], [name]))
