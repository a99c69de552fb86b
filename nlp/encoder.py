"""The accurate tier's model: a small transformer encoder with int8 weights, one forward pass per text.

The encoder runs in onnxruntime and gives one vector per text, the mean over its word pieces; linear heads give
the scores. Texts of one length in word pieces share a batch, so that nothing is padded, and activations are
quantised row by row inside the graph: what a text gets does not depend on its neighbours.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from nlp.heads import Heads, Scores
from nlp.model import Look, Vectors, unit_rows
from nlp.wordpieces import Pieces, WordPieces

GRAPH_FILE: Final = "encoder.onnx"
TOKENIZER_FILE: Final = "tokenizer.json"
HEADS_FILE: Final = "heads.npz"
FILES: Final = (GRAPH_FILE, TOKENIZER_FILE, HEADS_FILE)
"""What `read` reads."""

BATCH_PIECES = 2_048
"""Word pieces in one forward pass; more need memory and are not faster."""
MOST_THREADS = 2
"""Forward passes at a time, by default: the rest of a machine is for whatever runs beside."""


@dataclass(frozen=True, slots=True)
class EncoderModel:
    """An encoder with its word pieces and heads. May be shared between threads."""

    session: Any
    """onnxruntime's InferenceSession: `input_ids` and `type_ids` (texts × pieces, int64) to `pooled`."""
    pieces: WordPieces
    heads: Heads
    workers: ThreadPoolExecutor | None = None
    """Run the forward passes of a call; None: the caller's thread does."""

    @property
    def labels(self) -> Mapping[str, tuple[str, ...]]:
        """Field to its labels, in the order of the columns of its scores."""
        return self.heads.labels

    def scores(self, texts: Sequence[str], questions: Sequence[str | None]) -> dict[str, Scores]:
        """Field to its scores (texts × labels), not yet probabilities."""
        return self._scores(self.pooled(texts, questions))

    def look(self, texts: Sequence[str], questions: Sequence[str | None]) -> Look:
        """The scores, and the encoder's vectors that they come from."""
        vectors = self.pooled(texts, questions)
        return Look(unit_rows(vectors), self._scores(vectors))

    def pooled(self, texts: Sequence[str], questions: Sequence[str | None]) -> Vectors:
        """What the heads read: the mean over each text's word pieces, of any length."""
        return self._vectors(
            [self.pieces.pieces(text, question) for text, question in zip(texts, questions, strict=True)]
        )

    def _scores(self, vectors: Vectors) -> dict[str, Scores]:
        # in double precision, because a product with one row and one with many differ in their last bits
        weights = self.heads.weights.astype(np.float64)
        scores = (vectors.astype(np.float64) @ weights + self.heads.bias).astype(np.float32)
        return {field: scores[:, self.heads.columns(field)] for field in self.labels}

    def _vectors(self, encoded: Sequence[Pieces]) -> Vectors:
        vectors = np.empty((len(encoded), self.heads.weights.shape[0]), dtype=np.float32)

        def forward(positions: list[int]) -> None:
            numbers = np.array([encoded[position][0] for position in positions], dtype=np.int64)
            firsts = np.array([encoded[position][1] for position in positions], dtype=np.int64)
            types = (np.arange(numbers.shape[1]) >= firsts[:, None]).astype(np.int64)
            vectors[positions] = self.session.run(["pooled"], {"input_ids": numbers, "type_ids": types})[0]

        batches = list(_batches([len(numbers) for numbers, _ in encoded]))
        if self.workers is None or len(batches) < 2:
            for batch in batches:
                forward(batch)
        else:
            # whole batches side by side: splitting one of a hundred rows among threads gains nothing
            list(self.workers.map(forward, sorted(batches, key=lambda batch: -len(batch))))
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

    `threads` is how many forward passes run at a time, by default two or, where there is one core, one.
    """
    with np.load(folder / HEADS_FILE, allow_pickle=False) as arrays:
        weights = np.ascontiguousarray(arrays["weights"].astype(np.float32))
        bias = arrays["bias"].astype(np.float32)
    session = _session(folder / GRAPH_FILE)
    columns = sum(map(len, labels.values()))
    width = session.get_outputs()[0].shape[-1]
    if weights.shape != (width, columns) or bias.shape != (columns,):
        raise ValueError("encoder and heads do not fit")
    threads = threads or min(MOST_THREADS, os.cpu_count() or 1)
    workers = ThreadPoolExecutor(threads, thread_name_prefix="encoder") if threads > 1 else None
    return EncoderModel(session, WordPieces.read(folder / TOKENIZER_FILE), Heads(labels, weights, bias), workers)


def _session(path: Path) -> Any:
    import onnxruntime  # here, because the fast tier need not pay for loading it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    try:
        return onnxruntime.InferenceSession(
            str(path),
            sess_options=options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],  # what it fuses is slower: a fifth of the whole
        )
    except Exception as error:  # the library's own exceptions share no public base
        raise ValueError(f"{path.name} cannot be run: {error}") from error
