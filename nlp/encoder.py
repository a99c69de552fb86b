"""The accurate tier's model: a small transformer encoder with int8 weights, one forward pass per text.

The encoder runs in onnxruntime and gives one vector per text, the mean over its word pieces; linear heads give
the scores. Texts of one length in word pieces share a batch, so that nothing is padded, and activations are
quantised row by row inside the graph: what a text gets does not depend on its neighbours.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nlp.heads import Heads, Scores
from nlp.wordpieces import Pieces, WordPieces

GRAPH_FILE: Final = "encoder.onnx"
TOKENIZER_FILE: Final = "tokenizer.json"
HEADS_FILE: Final = "heads.npz"
FILES: Final = (GRAPH_FILE, TOKENIZER_FILE, HEADS_FILE)
"""What `read` reads."""

BATCH_PIECES = 4_096
"""Word pieces in one forward pass; more need memory and are not faster."""
MOST_THREADS = 2
"""Of one forward pass: further ones gain little with texts of twenty pieces."""


@dataclass(frozen=True, slots=True)
class EncoderModel:
    """An encoder with its word pieces and heads. May be shared between threads."""

    session: Any
    """onnxruntime's InferenceSession: `input_ids` and `type_ids` (texts × pieces, int64) to `pooled`."""
    pieces: WordPieces
    heads: Heads

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """Field to its labels, in the order of the columns of its scores."""
        return self.heads.labels

    def scores(self, texts: Sequence[str], questions: Sequence[str | None]) -> dict[str, Scores]:
        """Field to its scores (texts × labels), not yet probabilities."""
        encoded = [self.pieces.pieces(text, question) for text, question in zip(texts, questions, strict=True)]
        # in double precision, because a product with one row and one with many differ in their last bits
        vectors = self._vectors(encoded).astype(np.float64)
        scores = (vectors @ self.heads.weights.astype(np.float64) + self.heads.bias).astype(np.float32)
        return {field: scores[:, self.heads.columns(field)] for field in self.labels}

    def _vectors(self, encoded: Sequence[Pieces]) -> npt.NDArray[np.float32]:
        vectors = np.empty((len(encoded), self.heads.weights.shape[0]), dtype=np.float32)
        for positions in _batches([len(numbers) for numbers, _ in encoded]):
            numbers = np.array([encoded[position][0] for position in positions], dtype=np.int64)
            firsts = np.array([encoded[position][1] for position in positions], dtype=np.int64)
            types = (np.arange(numbers.shape[1]) >= firsts[:, None]).astype(np.int64)
            vectors[positions] = self.session.run(["pooled"], {"input_ids": numbers, "type_ids": types})[0]
        return vectors


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Positions of texts of one length, at most BATCH_PIECES together."""
    by_length: dict[int, list[int]] = {}
    for position, length in enumerate(lengths):
        by_length.setdefault(length, []).append(position)
    for length, positions in sorted(by_length.items()):
        size = max(1, BATCH_PIECES // length)
        for start in range(0, len(positions), size):
            yield positions[start : start + size]


def read(folder: Path, labels: Mapping[str, tuple[str, ...]], *, threads: int | None = None) -> EncoderModel:
    """Read the model's files. Raises ValueError where they do not fit each other or are not what they should be.

    `threads` are those of one forward pass, by default two or, where there is only one, one.
    """
    with np.load(folder / HEADS_FILE, allow_pickle=False) as arrays:
        weights = np.ascontiguousarray(arrays["weights"].astype(np.float32))
        bias = arrays["bias"].astype(np.float32)
    session = _session(folder / GRAPH_FILE, threads or min(MOST_THREADS, os.cpu_count() or 1))
    columns = sum(map(len, labels.values()))
    width = session.get_outputs()[0].shape[-1]
    if weights.shape != (width, columns) or bias.shape != (columns,):
        raise ValueError("encoder and heads do not fit")
    return EncoderModel(session, WordPieces.read(folder / TOKENIZER_FILE), Heads(labels, weights, bias))


def _session(path: Path, threads: int) -> Any:
    import onnxruntime  # here, because the fast tier need not pay for loading it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    # waiting threads sleep: a spinning one takes a core from the web server beside it
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), sess_options=options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the library's own exceptions share no public base
        raise ValueError(f"{path.name} cannot be run: {error}") from error
