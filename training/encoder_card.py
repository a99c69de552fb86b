"""The card of an artifact of the accurate tier."""

from collections import Counter
from collections.abc import Sequence

from nlp.artifact import Manifest
from nlp.evaluate import Report
from training.card import limits
from training.corpus import Corpus, family
from training.encoder_recipe import EncoderRecipe

_SKETCH = """\
# {version}

Reads customer feedback in English and labels each text and segment with stage, emotion, sentiment, topic and
touchpoint of codebook {codebook}.

- Made {created} by `python -m training --tier accurate` with recipe {recipe} (seed {seed}).
- Weights: {fitted}.
- Kind: all-MiniLM-L6-v2 (six layers, 384 wide; Apache-2.0), fine-tuned on the five fields at once and, beside
  them, on the labels that other sets have of their own ({tasks}). int8 weights; activations are quantised row
  by row, so that results do not depend on which texts share a batch. The heads of {last_layer} were fitted once
  more to the finished encoder. With a smaller share the linear heads of {fast} take part (`blend.json`).
- A text of more than 96 word pieces is read by its first 63 or so and its last 32.
- Trained on {items} items ({foreign} in other languages and {alike} like an evaluation text left out).
  Per source: {sources}.
- Scales and thresholds from {unseen} texts of our own from businesses left out of training: {unseen_sources};
  the scales made softer, half way, by what real sources left out in turn have shown.
- Origins and licences stand in `data/README.md`; no text of theirs is part of the artifact. The licence of the
  encoder that it starts from, and what was changed in it, stand in `data/models/NOTICE.md`.
- For: prioritising what to read and what to improve. Not for: judging single customers or members of staff.

{limits}
## Evaluation
"""


def encoder_card(
    manifest: Manifest,
    reports: Sequence[Report],
    seen: Corpus,
    unseen: Corpus,
    recipe: EncoderRecipe,
    fast: str,
    fitted: str,
) -> str:
    """The card in Markdown. `fast` is the version of the artifact whose linear heads take part.

    `fitted` says where the encoder's weights come from.
    """
    text = _SKETCH.format(
        version=manifest.version,
        codebook=manifest.codebook_version,
        created=manifest.created,
        recipe=manifest.recipe_sha256[:12],
        seed=recipe.seed,
        tasks=", ".join(recipe.auxiliary.shares),
        last_layer=", ".join(recipe.last_layer.fields) or "no field",
        items=len(seen.items),
        foreign=seen.dropped_foreign,
        alike=seen.dropped_alike,
        sources=_counts(seen),
        unseen=len(unseen.items),
        unseen_sources=_counts(unseen),
        limits=limits(seen),
        fast=fast,
        fitted=fitted,
    )
    for report in reports:
        text += f"\n```\n{report.to_text()}```\n"
    return text


def _counts(corpus: Corpus) -> str:
    counts = Counter(family(item.source) for item in corpus.items)
    return ", ".join(f"{source} {count}" for source, count in counts.most_common())
