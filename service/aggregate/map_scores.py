"""Scores of a map: over all of it, of those mentioning a column, and of the columns that senders declared."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nlp.codebook import JourneyModel
from service.aggregate.score_rows import mentions, scored_responses
from service.aggregate.scores import KINDS, SHOWN, moments
from service.aggregate.tally import Tally

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
        scored = scored_responses(tally, kind)
        if scored is None:
            continue
        mentioned = mentions(tally) if mentioned is None else mentioned
        by_column = [np.flatnonzero(one.take(scored.response)) for one in mentioned[: tally.columns]]
        where, who = (
            np.repeat(np.arange(tally.columns), [len(one) for one in by_column]),
            np.concatenate(by_column),
        )
        texted = np.flatnonzero(scored.with_text)
        every = np.arange(len(scored.with_text))
        all_wrote = len(texted) == len(every)
        either = every if all_wrote else np.r_[every, texted]
        part = np.repeat([0, 1], [len(every), len(either) - len(every)])
        declared_at = declared_column.take(scored.declared, mode="wrap")  # -1 is the last entry
        declared = np.flatnonzero(declared_at < tally.columns)
        for name, value in scored.values.items():
            for columns, rows, group, groups in (
                (by_mention, who, where, tally.columns),
                (by_sender, declared, declared_at[declared], tally.columns),
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
