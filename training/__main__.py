"""`python -m training`: from the gold sets to a published artifact, all steps in order."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from nlp.analysis import FIELDS
from nlp.artifact import MODELS_FOLDER, ArtifactError, tier_folder
from nlp.codebook import DATA_FOLDER, load_codebook
from nlp.gold import GoldError
from nlp.pipeline import Pipeline
from training.calibrate import describe, fit_calibration, fit_thresholds, held_out_scores
from training.card import card
from training.corpus import read_corpus, training_files
from training.encoder_recipe import DEFAULT_ENCODER_RECIPE
from training.encoder_run import train_encoder
from training.evaluate import GateError, evaluate_candidate, failed_gates
from training.fit import fit_features, fit_heads, further_rows
from training.goemotions import NOTHING_FURTHER, read_goemotions
from training.publish import Origin, linear_candidate, publish_linear
from training.recipe import DEFAULT_RECIPE, read_recipe
from training.relabelled import RELABELLED_FOLDER, added, label_files
from training.split import check_apart, folds, sources_out

SHARED = Path(__file__).parents[2] / "shared"
DEFAULT_GOLD = SHARED / "gold"
DEFAULT_WRITTEN = DATA_FOLDER / "written"
DEFAULT_CORPUS = SHARED / "corpus"


def train(
    gold: Path,
    recipe_path: Path,
    models: Path,
    *,
    goemotions: Path | None = None,
    written: Path | None = None,
    feedback: Path | None = None,
    default: bool = False,
    report: bool = True,
) -> Path:
    """Run the whole recipe; returns the folder of the published artifact.

    Without `goemotions`, `written` and `feedback`, the corpus folder to the labels of `data/relabelled`, only the
    gold set is learnt from. With `default` the artifact is named as the default too.

    Raises GoldError for data that cannot be read, GateError for a candidate that is not
    good enough.
    """
    say = _reporter(report)
    recipe, codebook = read_recipe(recipe_path), load_codebook()
    corpus = read_corpus(
        gold,
        codebook,
        near_duplicate_cosine=recipe.near_duplicate_cosine,
        written=written,
        held_out=recipe.held_out,
        further=added(feedback, RELABELLED_FOLDER, codebook) if feedback is not None else [],
        feedback=feedback,
    )
    say(
        f"corpus: {len(corpus.items)} items in {len(set(corpus.groups))} groups; left out: "
        f"{corpus.dropped_foreign} not English, {corpus.dropped_alike} like an evaluation text"
    )
    by_fold, by_source = (
        folds(corpus, count=recipe.out_of_fold, seed=recipe.seed),
        sources_out(corpus, batches=recipe.source_batches),
    )
    check_apart([*by_fold, *by_source], corpus.groups)
    say(f"split: {len(by_fold)} folds, {len(by_source)} batches of sources left out in turn")
    texts = (
        NOTHING_FURTHER if goemotions is None else read_goemotions(goemotions, recipe, without=corpus.evaluation)
    )
    features = fit_features(corpus, texts, recipe)
    further = further_rows(features, texts)
    rows = features.transform(corpus.texts, corpus.questions)
    heads = fit_heads(rows, {field: corpus.labels(field) for field in FIELDS}, codebook, recipe, further)
    say(f"fit: {len(features.names)} features, {texts.count} further rows")
    known = held_out_scores(corpus, features, codebook, recipe, by_fold, further)
    elsewhere = held_out_scores(corpus, features, codebook, recipe, by_source or by_fold, further)
    share = recipe.source_out_share
    calibration = fit_calibration(corpus, codebook, [(known, 1 - share), (elsewhere, share)])
    thresholds = fit_thresholds(corpus, codebook, recipe.decision, calibration, [known, elsewhere])
    say(f"calibrate: {describe(thresholds, calibration)}")
    data = [*training_files(gold, written, recipe.held_out), *label_files()]
    data += [goemotions] if goemotions is not None else []
    origin = Origin(recipe.tier, recipe.sha256, data, codebook.version)
    ready = linear_candidate(features, heads, calibration, thresholds, origin)
    reports = evaluate_candidate(Pipeline(ready), gold, seed=recipe.seed)
    say("evaluate:")
    if report:
        print("\n".join(entry.to_text() for entry in reports))
    if failures := failed_gates(reports, recipe.gates):
        raise GateError("; ".join(failures))
    text = card(ready.manifest, reports, corpus, texts, recipe)
    folder = publish_linear(ready, reports, text, models, default=default)
    say(f"publish: {ready.manifest.version}")
    return folder


def _reporter(report: bool) -> Callable[[str], None]:
    started = time.monotonic()

    def say(message: str) -> None:
        if report:
            print(f"{time.monotonic() - started:6.1f} s  {message}", flush=True)

    return say


def main() -> int:
    """Parse the arguments and train; 0 on success, 1 where data or gates forbid it."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--tier", choices=["fast", "accurate"], default="fast")
    parser.add_argument("--gold", type=Path, default=DEFAULT_GOLD, help="folder with train.tsv, dev.tsv, …")
    parser.add_argument("--corpus", type=Path, default=DEFAULT_CORPUS, help="folder with goemotions-train.tsv, …")
    parser.add_argument("--written", type=Path, default=DEFAULT_WRITTEN, help="folder with texts of our own")
    parser.add_argument("--recipe", type=Path, help="by default that of the tier")
    parser.add_argument("--models", type=Path, default=MODELS_FOLDER, help="where to publish")
    parser.add_argument("--default", action="store_true", help="make it the default artifact, not just its tier's")
    parser.add_argument("--fast", type=Path, help="accurate: the fast artifact, by default the shipped one")
    parser.add_argument("--weights", type=Path, help="accurate: fitted weights; the fit is left out")
    parser.add_argument("--keep-weights", type=Path, help="accurate: keep the fitted weights in this file")
    parser.add_argument("--softening", type=Path, help="accurate: keep, or take, what left-out sources have shown")
    parser.add_argument("--threads", type=int, help="accurate: by default all cores")
    arguments = parser.parse_args()
    try:
        if arguments.tier == "accurate":
            train_encoder(
                arguments.gold,
                arguments.written,
                arguments.corpus,
                arguments.recipe or DEFAULT_ENCODER_RECIPE,
                arguments.models,
                arguments.fast or tier_folder("fast"),
                weights=arguments.weights,
                keep_weights=arguments.keep_weights,
                softening_file=arguments.softening,
                threads=arguments.threads,
                default=arguments.default,
                say=_reporter(True),
            )
        else:
            goemotions = arguments.corpus / "goemotions-train.tsv"
            if not goemotions.is_file():
                print(f"{goemotions} is not there: training without it", file=sys.stderr)
            train(
                arguments.gold,
                arguments.recipe or DEFAULT_RECIPE,
                arguments.models,
                goemotions=goemotions if goemotions.is_file() else None,
                written=arguments.written if arguments.written.is_dir() else None,
                feedback=arguments.corpus,
                default=arguments.default,
            )
    except (ArtifactError, GoldError, GateError) as error:
        print(f"not published: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
