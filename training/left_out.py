"""How a tier's recipe does on sources that it has not seen: leave-one-source-out on the training set.

python -m training.left_out [--tier fast|accurate] [--epochs 1.0] [--batches N]

reads  what the recipes read (see README.md) · writes benchmarks/figures/left-out-<tier>.json

Every source is left out once, with its near-duplicates elsewhere; several leave together, in as many batches as
the fast tier's recipe says. Scored is the best label of each whole text, before segments are weighed in, so that
candidates compare without any calibration. The fast tier's vocabulary is that of all texts, as in its recipe.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np

from nlp import artifact
from nlp.analysis import FIELDS
from nlp.artifact import Tier
from nlp.codebook import Codebook, load_codebook
from nlp.gold import GoldError
from training.__main__ import DEFAULT_CORPUS, DEFAULT_GOLD, DEFAULT_WRITTEN
from training.calibrate import held_out_scores
from training.corpus import Corpus, read_corpus, real_sources, training_files
from training.encoder_left_out import SHORTENED, encoder_predictions
from training.encoder_recipe import read_encoder_recipe
from training.fit import fit_features, further_rows
from training.goemotions import NOTHING_FURTHER, read_goemotions
from training.left_out_scores import Material, Predicted, figures, to_text
from training.recipe import Recipe, read_recipe
from training.relabelled import RELABELLED_FOLDER, added, label_files
from training.report import FIGURES_FOLDER
from training.split import HeldOut, check_apart, sources_out

ENCODER_BATCHES: Final = 5
ENCODER_EPOCHS: Final = 1.0

Say = Callable[[str], None]


def read_material(
    gold: Path, written: Path | None, feedback: Path | None, cosine: float, held_out: Sequence[str] = ()
) -> Material:
    """A recipe's training set, without the files of `written` that it holds out.

    Raises GoldError for data that cannot be read.
    """
    codebook = load_codebook()
    further = added(feedback, RELABELLED_FOLDER, codebook) if feedback is not None else []
    corpus = read_corpus(
        gold,
        codebook,
        near_duplicate_cosine=cosine,
        written=written,
        held_out=held_out,
        further=further,
        feedback=feedback,
    )
    real = real_sources(gold, further, codebook)
    return Material(corpus, real, (*training_files(gold, written, held_out), *label_files()))


def linear_predictions(
    corpus: Corpus, recipe: Recipe, codebook: Codebook, splits: Sequence[HeldOut], goemotions: Path | None
) -> Predicted:
    """The fast tier's recipe, once per split."""
    texts = (
        NOTHING_FURTHER if goemotions is None else read_goemotions(goemotions, recipe, without=corpus.evaluation)
    )
    features = fit_features(corpus, texts, recipe)
    scores = held_out_scores(corpus, features, codebook, recipe, splits, further_rows(features, texts))
    labels = {field: np.array(codebook.labels(field))[scores.whole[field].argmax(axis=1)] for field in FIELDS}
    return Predicted(scores.items, labels)


def measure(
    tier: Tier,
    gold: Path,
    *,
    written: Path | None = None,
    corpus: Path | None = None,
    epochs: float = ENCODER_EPOCHS,
    batches: int | None = None,
    threads: int | None = None,
    say: Say,
) -> dict[str, Any]:
    """Leave every source out once and score what the recipe, fitted on the others, says of it.

    `epochs` and `threads` are the encoder's. Raises GoldError for data that cannot be read, ModuleNotFoundError
    where the accurate tier lacks what requirements-training.txt lists.
    """
    recipe, encoder_recipe, codebook = read_recipe(), read_encoder_recipe(), load_codebook()
    chosen = recipe if tier == "fast" else encoder_recipe
    material = read_material(gold, written, corpus, chosen.near_duplicate_cosine, chosen.held_out)
    files, what = list(material.files), "the recipe as it stands"
    wanted = batches or (recipe.source_batches if tier == "fast" else ENCODER_BATCHES)
    splits = sources_out(material.corpus, batches=wanted)
    check_apart(splits, material.corpus.groups)
    say(f"corpus: {len(material.corpus.items)} items; {len(splits)} batches of sources")
    if tier == "fast":
        goemotions = corpus / "goemotions-train.tsv" if corpus is not None else None
        goemotions = goemotions if goemotions is not None and goemotions.is_file() else None
        files += [goemotions] if goemotions is not None else []
        predicted = linear_predictions(material.corpus, recipe, codebook, splits, goemotions)
    else:
        short = replace(encoder_recipe, fit=replace(encoder_recipe.fit, epochs=epochs))
        predicted = Predicted(
            *encoder_predictions(material.corpus, material.real, short, codebook, splits, threads=threads, say=say)
        )
        what = SHORTENED.format(epochs=epochs)
    return {
        "tier": tier,
        "what": what,
        "recipe_sha256": chosen.sha256,
        "seed": chosen.seed,
        "n": len(predicted.items),
        "batches": len(splits),
        "files": {path.name: artifact.sha256(path) for path in files},
        **figures(material, predicted, codebook, chosen.seed),
    }


def main() -> int:
    """Measure, print and write; 1 where the data cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m training.left_out", description=__doc__)
    parser.add_argument("--tier", choices=get_args(Tier), default="fast")
    parser.add_argument("--gold", type=Path, default=DEFAULT_GOLD, help="folder with train.tsv, dev.tsv, …")
    parser.add_argument("--corpus", type=Path, default=DEFAULT_CORPUS, help="folder with goemotions-train.tsv, …")
    parser.add_argument("--written", type=Path, default=DEFAULT_WRITTEN, help="folder with texts of our own")
    parser.add_argument("--epochs", type=float, default=ENCODER_EPOCHS, help="accurate: of each fit")
    parser.add_argument("--batches", type=int, help="in how many goes the sources leave")
    parser.add_argument("--threads", type=int, help="accurate: by default all cores")
    parser.add_argument("--out", type=Path, help="by default benchmarks/figures/left-out-<tier>.json")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        found = measure(
            arguments.tier,
            arguments.gold,
            written=arguments.written if arguments.written.is_dir() else None,
            corpus=arguments.corpus if arguments.corpus.is_dir() else None,
            epochs=arguments.epochs,
            batches=arguments.batches,
            threads=arguments.threads,
            say=lambda message: print(f"{time.monotonic() - started:6.1f} s  {message}", flush=True),
        )
    except (GoldError, ModuleNotFoundError) as error:
        print(f"not measured: {error}", file=sys.stderr)
        return 1
    print(to_text(found))
    out: Path = arguments.out or FIGURES_FOLDER / f"left-out-{arguments.tier}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
