"""The systems that `benchmarks/tagging.py` puts side by side: our two tiers, and peers with default settings.

Every system is made ready by `prepare` (it learns, or loads what it learnt) and then answers `tag`: texts in,
labels out. Peers learn from the same labels as our tiers, one classifier per field.
"""

import hashlib
import json
import os
import random
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from nlp import artifact
from nlp.analysis import FIELDS
from nlp.gold import GoldItem
from nlp.pipeline import Pipeline, TextInput
from nlp.wordpieces import WordPieces

THREADS = 2
SEED = 7
Labels = dict[str, list[str]]
"""Field to one label per text; a text without a label has "" there."""
SAYS_NOTHING = dict(zip(FIELDS, ("none", "neutral", "neutral", "general", "unknown"), strict=True))


class System(Protocol):
    """What is measured."""

    def prepare(self, training: Sequence[GoldItem], cache: Path) -> None:
        """Load the model, after training it where the cache does not hold it."""

    def tag(self, items: Sequence[TextInput]) -> Labels | None:
        """The labels of texts, None where there are only numbers."""


class Journeymap:
    """A shipped tier, or both in one process (the first one tags)."""

    def __init__(self, *tiers: str) -> None:
        self._tiers = tiers
        self._pipelines: list[Pipeline] = []

    def prepare(self, training: Sequence[GoldItem], cache: Path) -> None:
        self._pipelines = [Pipeline.load(tier=tier) for tier in self._tiers]

    def tag(self, items: Sequence[TextInput]) -> Labels:
        for pipeline in self._pipelines[1:]:
            pipeline.analyze(items)
        labels: Labels = {field: [] for field in FIELDS}
        for analysis in self._pipelines[0].analyze(items):
            for field in FIELDS:
                label = getattr(analysis, field)
                unread = "" if analysis.unsure_reason == "unsupported_language" else SAYS_NOTHING[field]
                labels[field].append(unread if label is None else label.label)
        return labels


class BertBase:
    """An encoder of BERT-base's size with random weights in onnxruntime, float32: the time of one pass per text.

    Twelve layers, 768 wide, 12 attention heads, 3,072 inside: about 110 million weights. Word pieces and their
    limit are those of our accurate tier; texts of one length share a batch, so that nothing is padded.
    """

    layers, width, heads, inside, words = 12, 768, 12, 3_072, 30_522
    batch_pieces = 2_048

    def prepare(self, training: Sequence[GoldItem], cache: Path) -> None:
        import onnxruntime

        graph = cache / "bert-base-random.onnx"
        if not graph.is_file():
            draft = graph.with_suffix(f".{os.getpid()}")
            draft.write_bytes(self._graph())
            draft.replace(graph)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        self._session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        self._pieces = WordPieces.read(artifact.tier_folder("accurate") / "tokenizer.json")

    def tag(self, items: Sequence[TextInput]) -> None:
        by_length: dict[int, list[list[int]]] = {}
        for item in items:
            numbers, _ = self._pieces.pieces(item.text, item.question)
            by_length.setdefault(len(numbers), []).append(numbers)
        for length, rows in by_length.items():
            size = max(1, self.batch_pieces // length)
            for start in range(0, len(rows), size):
                batch = np.array(rows[start : start + size], dtype=np.int64)
                self._session.run(["pooled"], {"input_ids": batch})

    def _graph(self) -> bytes:
        from onnx import TensorProto, helper, numpy_helper

        random_numbers = np.random.default_rng(SEED)
        constants: list[Any] = []
        nodes: list[Any] = []

        def weight(name: str, *shape: int) -> str:
            values = (0.02 * random_numbers.standard_normal(shape, dtype=np.float32)).astype(np.float32)
            constants.append(numpy_helper.from_array(values, name))
            return name

        def node(kind: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
            nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
            return output

        def linear(states: str, name: str, rows: int, columns: int) -> str:
            product = node("MatMul", [states, weight(f"{name}.w", rows, columns)], f"{name}.product")
            return node("Add", [product, weight(f"{name}.b", columns)], f"{name}.out")

        def normalised(left: str, right: str, name: str) -> str:
            total = node("Add", [left, right], f"{name}.sum")
            inputs = [total, weight(f"{name}.scale", self.width), weight(f"{name}.shift", self.width)]
            return node("LayerNormalization", inputs, f"{name}.out", axis=-1, epsilon=1e-12)

        states = node("Gather", [weight("words", self.words, self.width), "input_ids"], "word")
        node("Shape", ["input_ids"], "length", start=1, end=2)
        constants.append(numpy_helper.from_array(np.array([0], np.int64), "zero"))
        places = node("Slice", [weight("places", 512, self.width), "zero", "length", "zero"], "place")
        states = normalised(states, places, "embedded")
        for layer in range(self.layers):
            part = f"{layer}."
            three = [linear(states, f"{part}{name}", self.width, self.width) for name in "qkv"]
            attended = node("MultiHeadAttention", three, f"{part}attended", "com.microsoft", num_heads=self.heads)
            states = normalised(linear(attended, f"{part}o", self.width, self.width), states, f"{part}middle")
            wide = linear(states, f"{part}wide", self.width, self.inside)
            active = node("Gelu", [wide], f"{part}active", "com.microsoft")
            states = normalised(linear(active, f"{part}narrow", self.inside, self.width), states, f"{part}end")
        constants.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
        node("ReduceMean", [states, "axis"], "pooled", keepdims=0)
        given = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "pieces"])
        result = helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["texts", self.width])
        graph = helper.make_graph(nodes, "bert-base", [given], [result], constants)
        versions = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
        whole: bytes = helper.make_model(graph, opset_imports=versions, ir_version=10).SerializeToString()
        return whole


class SpacyTextcat:
    """spaCy's `textcat` (TextCatBOW, its choice for speed), one per field in one pipeline."""

    epochs = 10

    def prepare(self, training: Sequence[GoldItem], cache: Path) -> None:
        import spacy

        folder = cache / f"spacy-{fingerprint(training)}"
        if not folder.is_dir():
            draft = folder.with_name(f"{folder.name}.{os.getpid()}")
            self._train(training).to_disk(draft)
            draft.rename(folder)
        self._pipeline = spacy.load(folder)

    def _train(self, training: Sequence[GoldItem]) -> Any:
        import spacy
        from spacy.training import Example
        from spacy.util import fix_random_seed, minibatch

        fix_random_seed(SEED)
        pipeline = spacy.blank("en")
        model = {"@architectures": "spacy.TextCatBOW.v3", "exclusive_classes": True, "length": 262_144}
        model |= {"ngram_size": 1, "no_output_layer": False}
        documents = [pipeline.make_doc(joined(item.text, item.question)) for item in training]
        for field in FIELDS:
            names = sorted({item.labels[field] for item in training})
            examples = [
                Example.from_dict(
                    document, {"cats": {f"{field}={name}": float(item.labels[field] == name) for name in names}}
                )
                for document, item in zip(documents, training, strict=True)
            ]
            pipe = pipeline.add_pipe("textcat", name=field, config={"model": model})
            # each by itself, because a `textcat` wants to see one right label a document
            pipe.initialize(partial(iter, examples), nlp=pipeline)
            optimizer = pipeline.create_optimizer()
            order = random.Random(SEED)
            for _ in range(self.epochs):
                order.shuffle(examples)
                for batch in minibatch(examples, size=128):
                    pipe.update(batch, sgd=optimizer)
        return pipeline

    def tag(self, items: Sequence[TextInput]) -> Labels:
        labels: Labels = {field: [] for field in FIELDS}
        texts = [joined(item.text, item.question) for item in items]
        with self._pipeline.memory_zone():
            for document in self._pipeline.pipe(texts, batch_size=256):
                best: dict[str, tuple[float, str]] = {}
                for name, score in document.cats.items():
                    field, label = name.split("=", 1)
                    best[field] = max(best.get(field, (-1.0, "")), (score, label))
                for field in FIELDS:
                    labels[field].append(best[field][1])
        return labels


class FastText:
    """fastText `train_supervised` with its defaults, one model per field; one thread, so that runs are alike."""

    def prepare(self, training: Sequence[GoldItem], cache: Path) -> None:
        import fasttext

        fasttext.FastText.eprint = lambda *_, **__: None
        self._models = {}
        for field in FIELDS:
            path = cache / f"fasttext-{fingerprint(training)}-{field}.bin"
            if not path.is_file():
                lines = cache / f"fasttext-{os.getpid()}.txt"
                lines.write_text(
                    "".join(
                        f"__label__{item.labels[field]} {one_line(item.text, item.question)}\n"
                        for item in training
                    ),
                    encoding="utf-8",
                )
                model = self._trained(fasttext, str(lines))
                lines.unlink()
                draft = path.with_suffix(f".{os.getpid()}")
                model.save_model(str(draft))
                draft.replace(path)
            self._models[field] = fasttext.load_model(str(path))

    def _trained(self, fasttext: Any, lines: str) -> Any:
        """With its defaults it now and then ends in "Encountered NaN", whatever the texts: then once more."""
        for seed in range(SEED, SEED + 20):
            try:
                return fasttext.train_supervised(lines, thread=1, seed=seed, verbose=0)
            except RuntimeError as error:
                failure = error
        raise failure

    def tag(self, items: Sequence[TextInput]) -> Labels:
        texts = [one_line(item.text, item.question) for item in items]
        return {
            field: [(found[0] if found else "").removeprefix("__label__") for found in model.predict(texts)[0]]
            for field, model in self._models.items()
        }


class TfidfLogistic:
    """scikit-learn's TfidfVectorizer with LogisticRegression (iterations until it converges), one per field."""

    def prepare(self, training: Sequence[GoldItem], cache: Path) -> None:
        import joblib
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        path = cache / f"tfidf-{fingerprint(training)}.joblib"
        if not path.is_file():
            vectorizer = TfidfVectorizer()
            rows = vectorizer.fit_transform([joined(item.text, item.question) for item in training])
            models = {
                field: LogisticRegression(max_iter=1_000).fit(rows, [item.labels[field] for item in training])
                for field in FIELDS
            }
            draft = path.with_suffix(f".{os.getpid()}")
            joblib.dump((vectorizer, models), draft)
            draft.replace(path)
        self._vectorizer, self._models = joblib.load(path)

    def tag(self, items: Sequence[TextInput]) -> Labels:
        rows = self._vectorizer.transform([joined(item.text, item.question) for item in items])
        return {field: model.predict(rows).tolist() for field, model in self._models.items()}


SYSTEMS: Mapping[str, tuple[str, Any]] = {
    "accurate": ("Journeymap, accurate tier, whole pipeline", lambda: Journeymap("accurate")),
    "fast": ("Journeymap, fast tier, whole pipeline", lambda: Journeymap("fast")),
    "bert-base": ("BERT-base size, one forward pass per text, random weights, onnxruntime", BertBase),
    "spacy": ("spaCy textcat (BOW), five fields", SpacyTextcat),
    "fasttext": ("fastText, defaults, five models", FastText),
    "tfidf": ("TF-IDF + logistic regression, five fields", TfidfLogistic),
    "both": ("Journeymap, both tiers in one process", lambda: Journeymap("accurate", "fast")),
}
"""Name to what it is and how it is made."""


def joined(text: str, question: str | None) -> str:
    """Question and text as a peer reads them."""
    return f"{question} {text}" if question else text


def one_line(text: str, question: str | None) -> str:
    """The same without line ends, which fastText takes for the end of the text."""
    return " ".join(joined(text, question).split()) or "-"


def fingerprint(training: Sequence[GoldItem]) -> str:
    """Twelve hex digits that change with any training text or label."""
    content = json.dumps([[item.text, item.question, item.labels] for item in training])
    return hashlib.sha256(content.encode()).hexdigest()[:12]
