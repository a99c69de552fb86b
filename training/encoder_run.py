"""The accurate tier from labelled texts to a published artifact, all steps in order.

data -> fit -> export -> last layer -> blend -> calibrate -> evaluate -> publish
"""

import json
import os
import tempfile
from collections.abc import Callable, Set
from dataclasses import replace
from pathlib import Path

from nlp import artifact, blend, encoder, linear
from nlp.analysis import FIELDS
from nlp.artifact import Artifact
from nlp.codebook import Codebook, load_codebook
from nlp.gold import GoldError
from nlp.linear import LinearModel
from nlp.pipeline import Pipeline
from nlp.wordpieces import WordPieces
from training.calibrate import describe
from training.corpus import Corpus, corpus_of, real_sources, training_files
from training.encoder_calibrate import calibrate_unseen, choose_mixes
from training.encoder_card import encoder_card
from training.encoder_data import examples, task_files, tasks
from training.encoder_left_out import softening
from training.encoder_recipe import EncoderRecipe, read_encoder_recipe
from training.evaluate import GateError, evaluate_candidate, failed_gates
from training.last_layer import refit_heads, write_heads
from training.pretrained import TOKENIZER_FILE, pretrained_folder
from training.publish import Origin, make_manifest, publish
from training.relabelled import RELABELLED_FOLDER, added, label_files

Say = Callable[[str], None]


def train_encoder(
    gold: Path,
    written: Path,
    corpus_folder: Path,
    recipe_path: Path,
    models: Path,
    fast: Path,
    *,
    weights: Path | None = None,
    keep_weights: Path | None = None,
    softening_file: Path | None = None,
    tokenizer: Path | None = None,
    threads: int | None = None,
    default: bool = False,
    say: Say,
) -> Path:
    """Run the recipe; returns the folder of the published artifact.

    `fast` is the folder of the fast tier's artifact, whose linear heads take part; it must not have been trained
    on the files that the recipe holds out.

    With `weights`, a file that a former run has fitted, that step is left out; with `keep_weights` the fitted
    weights are kept there, whatever comes of the run. `softening_file` holds what leaving real sources out has
    shown (see `encoder_left_out.softening`): read where it is there, else measured and written. `tokenizer` is by
    default that of the pretrained encoder. With `default` the artifact is named as the default too.

    Raises GoldError for data that cannot be read, GateError for a candidate that is not good enough.
    """
    recipe, codebook = read_encoder_recipe(recipe_path), load_codebook()
    files = training_files(gold, written)
    unseen_files = [path for path in files if path.name in recipe.held_out]
    if len(unseen_files) != len(recipe.held_out):
        raise GoldError(f"not all of {', '.join(recipe.held_out)} are in {written}")
    companion = artifact.load(fast, codebook)
    if known := set(companion.manifest.training_data) & set(recipe.held_out):
        raise GoldError(f"{fast.name} was trained on {', '.join(sorted(known))}, which the recipe holds out")
    assert isinstance(companion.model, LinearModel)
    seen_files = [path for path in files if path.name not in recipe.held_out]
    cosine = recipe.near_duplicate_cosine
    unseen = corpus_of(unseen_files, gold, codebook, near_duplicate_cosine=cosine, feedback=corpus_folder)
    further = added(corpus_folder, RELABELLED_FOLDER, codebook)
    seen = corpus_of(
        seen_files, gold, codebook, near_duplicate_cosine=cosine, further=further, feedback=corpus_folder
    )
    say(f"corpus: {len(seen.items)} items to learn from, {len(unseen.items)} to calibrate on")
    tokenizer = tokenizer or pretrained_folder() / TOKENIZER_FILE
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        fitted = "fitted in the same run"
        if weights is not None:
            fitted = f"fitted before and given to the run, sha256 {artifact.sha256(weights)}"
        else:
            weights = keep_weights or folder / "weights.safetensors"
            _fit(seen, {path.stem for path in seen_files}, corpus_folder, codebook, recipe, weights, threads, say)
        from training.encoder_export import export, read_weights  # needs what requirements-training.txt lists

        labels = {field: codebook.labels(field) for field in FIELDS}
        values, own_labels = read_weights(weights)
        export(values, own_labels, labels, tokenizer, folder)
        alone = encoder.read(folder, labels, threads=threads)
        write_heads(folder, refit_heads(alone, seen, codebook, recipe.fit, recipe.last_layer))
        say(f"last layer: {', '.join(recipe.last_layer.fields)} fitted once more")
        alone = encoder.read(folder, labels, threads=threads)
        mixes = choose_mixes(alone, companion, unseen, codebook, recipe.blend_shares)
        say(f"blend: share of the linear heads { ({field: mix.linear_share for field, mix in mixes.items()}) }")
        blend.write_mixes(folder, mixes)
        linear.write(folder, companion.model)
        model = blend.read(folder, labels, threads=threads)
        real = real_sources(gold, further, codebook)
        softer = _softening(seen, real, unseen, codebook, recipe, softening_file, threads, say)
        shown = {field: round(value, 2) for field, value in softer.items()}
        say(f"leave out: scales of new sources over those of our own texts {shown}")
        calibration, thresholds = calibrate_unseen(model, unseen, codebook, recipe.decision, softer)
        say(f"calibrate: {describe(thresholds, calibration)}")
        others = [path for path in task_files(corpus_folder) if path.is_file()]
        origin = Origin(recipe.tier, recipe.sha256, [*seen_files, *label_files(), *others], codebook.version)
        numbers = [(folder / name).read_bytes() for name in blend.FILES]
        manifest = make_manifest("blend", labels, numbers, calibration, thresholds, origin)
        ready = Artifact(manifest, model, calibration, thresholds)
        reports = evaluate_candidate(Pipeline(ready), gold, seed=recipe.seed)
        for report in reports:
            say(f"evaluate:\n{report.to_text()}")
        if failures := failed_gates(reports, recipe.gates):
            raise GateError("; ".join(failures))
        text = encoder_card(manifest, reports, seen, unseen, recipe, companion.manifest.version, fitted)

        def write_model(draft: Path) -> None:
            for name, content in zip(blend.FILES, numbers, strict=True):
                (draft / name).write_bytes(content)

        published = publish(ready, write_model, reports, text, models, default=default)
    say(f"publish: {manifest.version}")
    return published


def _softening(
    seen: Corpus,
    real: Set[str],
    unseen: Corpus,
    codebook: Codebook,
    recipe: EncoderRecipe,
    file: Path | None,
    threads: int | None,
    say: Say,
) -> dict[str, float]:
    if not recipe.left_out_batches:
        return dict.fromkeys(FIELDS, 1.0)
    if file is not None and file.is_file():
        return {field: float(value) for field, value in json.loads(file.read_text(encoding="utf-8")).items()}
    short = replace(recipe, fit=replace(recipe.fit, epochs=recipe.left_out_epochs))
    found = softening(
        seen, real, unseen, short, codebook, batches=recipe.left_out_batches, threads=threads, say=say
    )
    if file is not None:
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def _fit(
    seen: Corpus,
    written_sources: set[str],
    corpus_folder: Path,
    codebook: Codebook,
    recipe: EncoderRecipe,
    target: Path,
    threads: int | None,
    say: Say,
) -> None:
    from training.encoder_fit import fit_encoder  # needs torch, which nothing else does

    pieces = WordPieces.read(pretrained_folder() / TOKENIZER_FILE)
    data = examples(seen, written_sources, codebook, pieces, recipe.fit)
    others = tasks(corpus_folder, recipe.auxiliary, without=seen.evaluation)
    say(
        f"data: {len(data)} examples; beside them {sum(len(task.texts) for task in others)} of {len(others)} tasks"
    )
    fit_encoder(data, others, codebook, recipe, target, threads=threads or os.cpu_count() or 1, say=say)
