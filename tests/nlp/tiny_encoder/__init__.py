"""A very small encoder with random weights, and what it computes written down plainly in numpy.

`encoder.onnx` and `tokenizer.json` beside this file are made by `tests/training/test_encoder_export.py`, which
fails when the exporter makes others; `python -m tests.nlp.tiny_encoder` writes them anew.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import erf

FOLDER = Path(__file__).parent
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "the",
    "a",
    "my",
    "i",
    "it",
    "was",
    "is",
    "to",
    "at",
    "##s",
    "##ed",
    "##ing",
    "and",
    "but",
    "not",
    "very",
    "parcel",
    "late",
    "checkout",
    "easy",
    "staff",
    "rude",
    "kind",
    "phone",
    "nobody",
    "answer",
    "##er",
    "waiter",
    "never",
    "again",
    "how",
    "much",
    "price",
    "?",
    "!",
    ".",
    ",",
    "'",
    "great",
    "happy",
    "angry",
    "what",
    "app",
    "crash",
    "broken",
    "account",
    "close",
    "bill",
    "wrong",
    "fix",
    "ok",
]
WIDTH, INNER, LAYERS, PLACES = 32, 64, 2, 96

Values = npt.NDArray[np.float32]


def tokenizer_json() -> str:
    """A WordPiece tokenizer of the same make as the real one, with sixty pieces."""
    marks = [
        {"id": n, "content": word, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        | {"special": True}
        for n, word in enumerate(WORDS[:5])
    ]
    content: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": marks,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {word: n for n, word in enumerate(WORDS)},
        },
    }
    return json.dumps(content, indent=1) + "\n"


def weights(labels: Mapping[str, tuple[str, ...]]) -> dict[str, Values]:
    """Random weights under the names of transformers' BertModel, and heads for `labels`."""
    generator = np.random.default_rng(11)

    def some(*shape: int) -> Values:
        return generator.normal(scale=0.3, size=shape).astype(np.float32)

    result = {
        "bert.embeddings.word_embeddings.weight": some(len(WORDS), WIDTH),
        "bert.embeddings.token_type_embeddings.weight": some(2, WIDTH),
        "bert.embeddings.position_embeddings.weight": some(PLACES, WIDTH),
    }
    norms = ["bert.embeddings.LayerNorm"]
    for n in range(LAYERS):
        part = f"bert.encoder.layer.{n}."
        linear = {f"attention.self.{name}": (WIDTH, WIDTH) for name in ("query", "key", "value")}
        linear |= {
            "attention.output.dense": (WIDTH, WIDTH),
            "intermediate.dense": (INNER, WIDTH),
            "output.dense": (WIDTH, INNER),
        }
        for name, shape in linear.items():
            result[f"{part}{name}.weight"], result[f"{part}{name}.bias"] = some(*shape), some(shape[0])
        norms += [f"{part}attention.output.LayerNorm", f"{part}output.LayerNorm"]
    for name in norms:
        result[f"{name}.weight"], result[f"{name}.bias"] = 1 + some(WIDTH), some(WIDTH)
    for field, names in labels.items():
        result[f"heads.{field}.weight"], result[f"heads.{field}.bias"] = some(len(names), WIDTH), some(len(names))
    return result


def vector(values: Mapping[str, Values], numbers: list[int], types: list[int]) -> Values:
    """What BERT with mean pooling gives for one text, as in Devlin et al. 2019, in plain floating point."""
    part = "bert.embeddings."
    states = (
        values[f"{part}word_embeddings.weight"][numbers]
        + values[f"{part}token_type_embeddings.weight"][types]
        + values[f"{part}position_embeddings.weight"][: len(numbers)]
    )
    states = _normalised(states, values, f"{part}LayerNorm")
    for n in range(LAYERS):
        part = f"bert.encoder.layer.{n}."
        query, key, value = (
            _linear(states, values, f"{part}attention.self.{w}") for w in ("query", "key", "value")
        )
        chances = np.exp(query @ key.T / np.sqrt(WIDTH))  # one attention head
        mixed = chances / chances.sum(axis=1, keepdims=True) @ value
        mixed = _linear(mixed, values, f"{part}attention.output.dense")
        states = _normalised(states + mixed, values, f"{part}attention.output.LayerNorm")
        inner = _linear(states, values, f"{part}intermediate.dense")
        inner = inner * (1 + erf(inner / np.sqrt(2))) / 2
        states = _normalised(
            states + _linear(inner, values, f"{part}output.dense"), values, f"{part}output.LayerNorm"
        )
    result: Values = states.mean(axis=0)
    return result


def _linear(states: Values, values: Mapping[str, Values], name: str) -> Values:
    result: Values = states @ values[f"{name}.weight"].T + values[f"{name}.bias"]
    return result


def _normalised(states: Values, values: Mapping[str, Values], name: str) -> Values:
    centred = states - states.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-12)
    result: Values = centred / spread * values[f"{name}.weight"] + values[f"{name}.bias"]
    return result
