"""The card that goes with an artifact: what it is for, what it learnt from, how well it does, its limits."""

from collections import Counter
from collections.abc import Sequence

from nlp.artifact import Manifest
from nlp.evaluate import Report
from training.corpus import Corpus, family
from training.goemotions import FurtherTexts
from training.recipe import Recipe

_LIMITS = """\
## Limits

- Labels of the training and evaluation sets were made by a large language model reading the codebook; no person
  has checked them. Agreement with people is not known.
- Rare labels are weak; see the table per label. Sampling favoured rare stages and emotions, so shares of
  labels in the sets are not those of real traffic, and confidences assume the sets' shares.
- Texts from kinds of business that no training source covers are read clearly worse (`elsewhere.tsv`).
- Irony, slang and long texts are hardly covered: the median training text has {words} words, one in twenty more
  than {many}.
- English only: a text in another language is refused, not guessed.
"""

_SKETCH = """\
# {version}

Reads customer feedback in English and labels each text and segment with stage, emotion, sentiment, topic and
touchpoint of codebook {codebook}.

- Made {created} by `python -m training` with recipe {recipe} (seed {seed}).
- Kind: words, word pairs and letter runs (TF-IDF) under linear support vector machines,
  calibrated on held-out texts (folds over near-duplicates and whole sources left out, half each).
- Trained on {items} items ({foreign} in other languages and {alike} like an evaluation text left out).
  Per source: {sources}.
- Emotion and sentiment also on {further} rows of GoEmotions with mapped labels, a row counting less than gold's.
- Origins and licences stand in `data/README.md`; no text of theirs is part of the artifact but single words,
  word pairs and runs of up to five letters that occur in several texts.
- For: prioritising what to read and what to improve. Not for: judging single customers or members of staff.

{limits}
## Evaluation
"""


def limits(corpus: Corpus) -> str:
    """What holds for the artifacts of both tiers, with the length of the texts that they learn from."""
    lengths = sorted(len(text.split()) for text in corpus.texts)
    return _LIMITS.format(words=lengths[len(lengths) // 2], many=lengths[len(lengths) * 19 // 20])


def card(
    manifest: Manifest, reports: Sequence[Report], corpus: Corpus, further: FurtherTexts, recipe: Recipe
) -> str:
    """The card in Markdown."""
    counts = Counter(family(item.source) for item in corpus.items)
    text = _SKETCH.format(
        version=manifest.version,
        codebook=manifest.codebook_version,
        created=manifest.created,
        recipe=manifest.recipe_sha256[:12],
        seed=recipe.seed,
        items=len(corpus.items),
        foreign=corpus.dropped_foreign,
        alike=corpus.dropped_alike,
        further=further.count,
        limits=limits(corpus),
        sources=", ".join(f"{source} {count}" for source, count in counts.most_common()),
    )
    for report in reports:
        text += f"\n```\n{report.to_text()}```\n"
    return text
