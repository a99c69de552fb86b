"""Scores of a map: over all of it, of those mentioning a column, and of the columns that senders declared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlp.codebook import JourneyModel
from service.aggregate.scores import KINDS, SHOWN, moments, score_values
from service.aggregate.tally import Tally, mentions, scored_responses

Array = NDArray[Any]
Scores = dict[str, dict[str, Any] | None]


def map_scores(tally: Tally, model: JourneyModel) -> tuple[list[Scores], list[Scores], dict[str, Any]]:
    """By column of those mentioning it, by column as declared by the sender, and over the whole map.

    Each is an estimate (CSAT with its `mean` beside) or null by kind; over the whole map there is one for
    `everyone` and one for those `with_text`.
    """
    declared_column = _declared_columns(tally, model)
    mentioned: Array | None = None
    by_mention: list[Scores] = [dict.fromkeys(SHOWN) for _ in model.stages]
    by_sender: list[Scores] = [dict.fromkeys(SHOWN) for _ in model.stages]
    whole: list[Scores] = [dict.fromkeys(SHOWN) for _ in ("everyone", "with_text")]
    for kind in SHOWN:
        scored = scored_responses(tally, kind, declared_column=declared_column)
        if scored is None:
            continue
        mentioned = mentions(tally) if mentioned is None else mentioned
        where, who = np.nonzero(mentioned[:, scored.response])
        texted = np.flatnonzero(scored.with_text)
        every = np.arange(len(scored.with_text))
        all_wrote = len(texted) == len(every)
        either = every if all_wrote else np.r_[every, texted]
        part = np.repeat([0, 1], [len(every), len(either) - len(every)])
        declared = np.flatnonzero(scored.declared < tally.columns)
        for name in (kind, f"{kind}_mean"):
            if name not in KINDS:
                continue
            value = score_values(name, scored.value, scored.scale_min, scored.scale_max)
            for columns, rows, group, groups in (
                (by_mention, who, where, tally.groups),
                (by_sender, declared, scored.declared[declared], tally.groups),
                (whole, either, part, 2),
            ):
                of = moments(value[rows], group, scored.cluster[rows], groups=groups)
                _put(columns, name, KINDS[name].answer(of))
        if all_wrote:
            whole[1][kind] = whole[0][kind]
    everyone, with_text = whole
    over_all = {
        name: {"everyone": everyone[name], "with_text": with_text[name]} if everyone[name] else None
        for name in SHOWN
    }
    return by_mention, by_sender, over_all


def _put(columns: list[Scores], name: str, answers: list[dict[str, Any]]) -> None:
    for column, answer in zip(columns, answers, strict=False):
        if not answer["n"]:
            continue
        if name.endswith("_mean"):
            beside = column[name.removesuffix("_mean")] or {}
            beside["mean"] = answer["value"]
        else:
            column[name] = answer


def _declared_columns(tally: Tally, model: JourneyModel) -> Array:
    """The column of each word that senders declared as stage; the last entry is for none.

    A word is a codebook stage or the name of a column.
    """
    named = {column.name.casefold(): number for number, column in enumerate(model.stages)}
    found = []
    for word in tally.frame.words["declared_stage"]:
        covered = model.column(word.casefold(), None)
        column = covered if covered is not None else named.get(word.casefold())
        found.append(tally.columns if column is None else column)
    return np.array([*found, tally.columns], dtype=np.int64)
