"""Step 4 of the accurate tier, calibrate: scales and thresholds from businesses that the encoder has not seen.

reads  the exported model, the fast tier's artifact, the held-out texts of our own · writes nothing
"""

from collections.abc import Mapping, Sequence

import numpy as np
from sklearn.metrics import f1_score

from nlp.analysis import FIELDS
from nlp.artifact import Artifact
from nlp.blend import Mix
from nlp.calibrate import FieldCalibration
from nlp.codebook import Codebook
from nlp.decide import Thresholds
from nlp.model import Model
from training.calibrate import HeldOutScores, fit_calibration, fit_thresholds
from training.corpus import Corpus
from training.recipe import Decision


def calibrate_unseen(
    model: Model, unseen: Corpus, codebook: Codebook, decision: Decision, softer: Mapping[str, float]
) -> tuple[dict[str, FieldCalibration], Thresholds]:
    """Calibration and thresholds of a model, from texts that it was not trained on.

    `softer` is what `encoder_left_out.softening` found. Half of it (its root) is taken into the scales: a deployed
    model meets both kinds of sources that it knows and kinds that it does not.
    """
    held_out = score_unseen(model, unseen)
    fitted = fit_calibration(unseen, codebook, [(held_out, 1.0)])
    calibration = {field: FieldCalibration(entry.scale * softer[field] ** 0.5) for field, entry in fitted.items()}
    return calibration, fit_thresholds(unseen, codebook, decision, calibration, [held_out])


def score_unseen(model: Model, unseen: Corpus) -> HeldOutScores:
    """Scores of the whole texts, and of the segments of those with several."""
    several = [n for n, segments in enumerate(unseen.segments) if len(segments) > 1]
    texts = [text for n in several for text in unseen.segments[n]]
    questions = [unseen.questions[n] for n in several for _ in unseen.segments[n]]
    whole, parts = model.scores(unseen.texts, unseen.questions), model.scores(texts, questions)
    return HeldOutScores(
        items=np.arange(len(unseen.items)),
        whole={field: whole[field].astype(np.float64) for field in FIELDS},
        segments={field: parts[field].astype(np.float64) for field in FIELDS},
    )


def choose_mixes(
    model: Model, fast: Artifact, unseen: Corpus, codebook: Codebook, shares: Sequence[float]
) -> dict[str, Mix]:
    """Per field the share of the fast artifact's linear heads with the best macro-F1 on texts new to both.

    Not the least log loss, which asks for less than half of that share: how sure the blend may be is settled
    afterwards by its own scale.
    """
    own = fit_calibration(unseen, codebook, [(score_unseen(model, unseen), 1.0)])
    first = model.scores(unseen.texts, unseen.questions)
    second = fast.model.scores(unseen.texts, unseen.questions)
    result = {}
    for field in FIELDS:
        order = codebook.labels(field)
        truth = [order.index(label) for label in unseen.labels(field)]
        mixes = [Mix(share, own[field].scale, fast.calibration[field].scale) for share in shares]
        given = [mix.scores(first[field], second[field]).argmax(axis=1) for mix in mixes]
        merits = [float(f1_score(truth, labels, average="macro", zero_division=0.0)) for labels in given]
        result[field] = mixes[merits.index(max(merits))]
    return result
