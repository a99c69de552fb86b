"""Step 3 of the accurate tier, export: fitted weights as an ONNX graph with int8 weights, and the heads beside it.

reads  a weights file, the tokenizer · writes encoder.onnx, tokenizer.json, heads.npz

The graph is written by hand, because it holds what no exporter gives: each row of activations is quantised by its
own largest value, so that a text's result does not depend on the texts beside it (the dynamic quantisation of
onnxruntime takes one scale for the whole batch). Per linear layer with weights W (out × in) and input rows x:

    W_q = round(W / w), w = max |W| / 64 per output           int8, once
    x_q = trunc(x / s + 128.5), s = max |x| / 127 per row     uint8 with zero point 128
    y   = (x_q - 128) · W_q · s · w

Weights use 64 of 127 steps: processors without VNNI add two products in 16 bits, and 2 · 255 · 64 just fits.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors import safe_open

from nlp.analysis import FIELDS
from nlp.encoder import GRAPH_FILE, HEADS_FILE, TOKENIZER_FILE
from nlp.wordpieces import MAX_PIECES

Weights = Mapping[str, npt.NDArray[np.float32]]

LABELS_KEY = "labels"
"""Entry of a weights file's metadata: the order of the labels of each head, as JSON."""
HEAD_WIDTH = 32
"""Of one attention head, in all BERT models of this family."""

_OPSET, _IR_VERSION = 21, 10
_ORT = "com.microsoft"
_EPSILON = 1e-12
_LINEAR_STEPS, _WORD_STEPS = 64, 127
"""Steps on each side of zero; only linear layers are multiplied in whole numbers."""


class ExportError(ValueError):
    """A weights file cannot be exported."""


def read_weights(path: Path) -> tuple[Weights, dict[str, tuple[str, ...]]]:
    """The weights by name, and per field the order of the head's labels. Raises ExportError without that."""
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        weights = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}  # noqa: SIM118
    if LABELS_KEY not in metadata:
        raise ExportError(f"{path.name} does not say the order of its labels")
    labels = json.loads(metadata[LABELS_KEY])
    return weights, {field: tuple(labels[field]) for field in FIELDS}


def export(
    weights: Weights,
    own_labels: Mapping[str, Sequence[str]],
    labels: Mapping[str, Sequence[str]],
    tokenizer: Path,
    folder: Path,
) -> None:
    """Write the three files into `folder`; the heads' columns change from the order `own_labels` to `labels`.

    Raises ExportError where the two orders do not hold the same labels.
    """
    columns, bias = [], []
    for field in FIELDS:
        if sorted(own_labels[field]) != sorted(labels[field]):
            raise ExportError(f"the weights know other {field} labels than the codebook")
        order = [list(own_labels[field]).index(label) for label in labels[field]]
        columns.append(weights[f"heads.{field}.weight"][order].T)
        bias.append(weights[f"heads.{field}.bias"][order])
    np.savez(folder / HEADS_FILE, weights=np.concatenate(columns, axis=1), bias=np.concatenate(bias))
    (folder / GRAPH_FILE).write_bytes(encoder_graph(weights).SerializeToString(deterministic=True))
    shutil.copyfile(tokenizer, folder / TOKENIZER_FILE)


def encoder_graph(weights: Weights) -> onnx.ModelProto:
    """The encoder of `weights` (names as in transformers' BertModel, after `bert.`): word pieces to one vector.

    Inputs `input_ids` and `type_ids` (texts × pieces, int64, no padding), output `pooled` (texts × width).
    """
    return _Graph(weights).model()


class _Graph:
    """Nodes and constants while they are put together."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._quantised: set[str] = set()

    def model(self) -> onnx.ModelProto:
        layers = 1 + max(int(name.split("layer.")[1].split(".")[0]) for name in self._weights if "layer." in name)
        states = self._embeddings()
        for number in range(layers):
            states = self._layer(f"bert.encoder.layer.{number}.", states)
        self._node("ReduceMean", [states, self._constant("axis", np.array([1], np.int64))], "pooled", keepdims=0)
        width = self._weights["bert.embeddings.LayerNorm.weight"].shape[0]
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "pieces"])
            for name in ("input_ids", "type_ids")
        ]
        output = helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["texts", width])
        graph = helper.make_graph(self._nodes, "encoder", inputs, [output], list(self._constants.values()))
        versions = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_ORT, 1)]
        return helper.make_model(graph, opset_imports=versions, ir_version=_IR_VERSION)

    def _node(self, kind: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def _constant(self, name: str, values: npt.NDArray[Any]) -> str:
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def _weight(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _embeddings(self) -> str:
        part = "bert.embeddings."
        whole, scales = _int8_rows(self._weights[f"{part}word_embeddings.weight"], _WORD_STEPS)
        self._node("Gather", [self._constant("words", whole), "input_ids"], "word_int8")
        self._node("Cast", ["word_int8"], "word_float", to=TensorProto.FLOAT)
        self._node("Gather", [self._constant("word_scales", scales[:, None]), "input_ids"], "word_scale")
        self._node("Mul", ["word_float", "word_scale"], "word")
        self._node("Gather", [self._weight(f"{part}token_type_embeddings.weight"), "type_ids"], "type")
        places = self._weights[f"{part}position_embeddings.weight"][:MAX_PIECES]
        self._node("Shape", ["input_ids"], "length", start=1, end=2)
        zero = self._constant("zero", np.array([0], np.int64))
        self._node("Slice", [self._constant("places", places), zero, "length", zero], "place")
        self._node("Add", ["type", "place"], "type_place")
        return self._normalised("word", "type_place", f"{part}LayerNorm", "states")

    def _layer(self, part: str, states: str) -> str:
        own = [f"{part}attention.self.{name}." for name in ("query", "key", "value")]
        together = np.concatenate([self._weights[f"{name}weight"] for name in own])
        bias = np.concatenate([self._weights[f"{name}bias"] for name in own])
        width = together.shape[1]
        self._linear(states, together, f"{part}qkv")
        self._nodes.append(
            helper.make_node("Split", [f"{part}qkv"], [f"{part}{n}" for n in "qkv"], axis=2, num_outputs=3)
        )
        inputs = [*(f"{part}{n}" for n in "qkv"), self._constant(f"{part}qkv.bias", bias)]
        attended = self._node(
            "MultiHeadAttention", inputs, f"{part}attended", _ORT, num_heads=max(1, width // HEAD_WIDTH)
        )
        name = f"{part}attention.output."
        self._linear(attended, self._weights[f"{name}dense.weight"], f"{part}mixed")
        bias_name = self._weight(f"{name}dense.bias")
        states = self._normalised(f"{part}mixed", states, f"{name}LayerNorm", f"{part}middle", bias_name)
        self._linear(states, self._weights[f"{part}intermediate.dense.weight"], f"{part}wide")
        inputs = [f"{part}wide", self._weight(f"{part}intermediate.dense.bias")]
        active = self._node("BiasGelu", inputs, f"{part}active", _ORT)
        self._linear(active, self._weights[f"{part}output.dense.weight"], f"{part}narrow")
        bias_name = self._weight(f"{part}output.dense.bias")
        return self._normalised(f"{part}narrow", states, f"{part}output.LayerNorm", f"{part}states", bias_name)

    def _normalised(self, left: str, right: str, norm: str, output: str, bias: str | None = None) -> str:
        """LayerNorm of the sum of two states, with the bias of the linear layer that gave the left one."""
        if bias is not None:
            left = self._node("Add", [left, bias], f"{output}.biased")
        self._node("Add", [left, right], f"{output}.sum")
        inputs = [f"{output}.sum", self._weight(f"{norm}.weight"), self._weight(f"{norm}.bias")]
        return self._node("LayerNormalization", inputs, output, axis=-1, epsilon=_EPSILON)

    def _linear(self, states: str, matrix: npt.NDArray[np.float32], output: str) -> str:
        """A product with int8 weights, without bias; see the head of this file."""
        self._quantise(states)
        whole, scales = _int8_rows(matrix, _LINEAR_STEPS)
        zero_point = self._constant("zero_point", np.array(128, np.uint8))
        inputs = [f"{states}.uint8", self._constant(f"{output}.weights", whole.T), zero_point]
        self._node("MatMulInteger", inputs, f"{output}.int32")
        self._node("Cast", [f"{output}.int32"], f"{output}.float", to=TensorProto.FLOAT)
        self._node("Mul", [f"{output}.float", f"{states}.scale"], f"{output}.by_row")
        return self._node("Mul", [f"{output}.by_row", self._constant(f"{output}.scales", scales)], output)

    def _quantise(self, states: str) -> None:
        if states in self._quantised:
            return
        self._quantised.add(states)
        last = self._constant("last", np.array([-1], np.int64))
        most = self._constant("most", np.array(127, np.float32))
        part = self._constant("part", np.array(1 / 127, np.float32))
        middle = self._constant("middle", np.array(128.5, np.float32))
        least = self._constant("least", np.array(1e-9, np.float32))
        self._node("Abs", [states], f"{states}.abs")
        self._node("ReduceMax", [f"{states}.abs", last], f"{states}.max", keepdims=1)
        self._node("Max", [f"{states}.max", least], f"{states}.largest")
        self._node("Mul", [f"{states}.largest", part], f"{states}.scale")
        self._node("Div", [most, f"{states}.largest"], f"{states}.inverse")
        self._node("Mul", [states, f"{states}.inverse"], f"{states}.scaled")
        self._node("Add", [f"{states}.scaled", middle], f"{states}.shifted")
        self._node("Cast", [f"{states}.shifted"], f"{states}.uint8", to=TensorProto.UINT8)


def _int8_rows(
    matrix: npt.NDArray[np.float32], steps: int
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Whole numbers from -steps to steps and a scale per row, so that their product is nearest to the matrix."""
    scales = np.maximum(np.abs(matrix).max(axis=1), 1e-9) / steps
    return np.round(matrix / scales[:, None]).astype(np.int8), scales.astype(np.float32)
