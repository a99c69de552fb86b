"""Columns of survey exports that are questions: scores, open answers, choices, each with the question in full."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from service.ingest.column_names import guess_field, is_choice, is_open_question, is_personal
from service.ingest.column_values import (
    Cells,
    ColumnUse,
    are_addresses,
    are_personal,
    are_times,
    as_attribute,
    on_its_scale,
    outside_scale,
    prose_chars,
    ratings,
    share,
    whole_scale,
)
from service.ingest.conversions import to_number
from service.ingest.incoming import MAX_ATTRIBUTE_CHARS

OPEN_CHARS = 12  # an open question's answers may be short ("Too slow"); choices repeat
_SCORES = ("score_nps", "score_csat", "score_ces", "score_stars", "score")  # which one a response's score is
_CHOICE_MARKS = re.compile(r"[^;]{1,60}(?:;[^\s;][^;]{0,60})+|[^|]{1,60}(?:\|[^\s|][^|]{0,60})+")


@dataclass(frozen=True, slots=True)
class Question:
    """One column and the question that it answers."""

    column: str
    label: str
    is_open: bool | None = None  # where the export says whether it is an open question
    is_aside: bool = False  # what was typed in beside a choice
    is_nps: bool = False
    value: str | None = None  # the choice that a mark in this column stands for
    group: str | None = None  # what choices of one question share


def use_of(question: Question, cells: Cells) -> ColumnUse:
    """What a question's column is taken for, by what the export says, by its words and by its answers."""
    column, label = question.column, question.label
    answers = cells[column]
    if is_personal(column) or is_personal(label) or (question.is_open is None and are_personal(answers)):
        if are_addresses(answers):
            return ColumnUse(column, "respondent", 0.8, label=label)
        return ColumnUse(column, None, 1.0, "personal data", label)
    if question.is_nps:
        return ColumnUse(column, "score_nps", 0.95, label=label)
    if question.value is None and (score := _score(label, column, cells)) is not None:
        return ColumnUse(column, score[0], score[1], label=label)
    numbers = bool(answers) and share(answers, to_number) >= 0.5
    if question.is_open and not numbers and not are_times(answers) and not are_addresses(answers):
        return ColumnUse(column, "text", 0.55 if question.is_aside else 0.95, label=label)
    if question.is_open is None and not numbers and question.value is None and _reads_open(label, column, cells):
        return ColumnUse(column, "text", 0.8 if is_open_question(label) else 0.6, label=label)
    found = as_attribute(
        column, cells, name=(question.group or label)[:MAX_ATTRIBUTE_CHARS], confidence=0.4, value=question.value
    )
    return replace(found, label=label)


def _score(label: str, column: str, cells: Cells) -> tuple[str, float] | None:
    answers = cells[column]
    guess = guess_field(label) or guess_field(column)
    if guess is None or not (guess[0] == "score" or guess[0].startswith("score_")):
        return None
    if not answers:
        return guess  # a number of a spread scale that nobody picked so far
    found = ratings(answers)
    if len(found) < 0.5 * max(1, len(answers)) or not found:
        return None
    if guess[0] == "score_nps":
        return ("score_nps", 0.9) if whole_scale(answers) is not None else None
    told = on_its_scale(guess[0], label, answers)
    if told != guess[0]:
        return told, guess[1]
    if guess[0] == "score":
        return "score_stars" if max(found) <= 5 else "score", guess[1]
    kind = guess[0].removeprefix("score_")
    if outside_scale(answers, kind) and max(found) <= 10 and min(found) >= 0:
        top, low = (7 if max(found) <= 7 else 10), (0 if min(found) < 1 else 1)
        return f"score_{kind}:{low}-{top}", 0.6
    return guess


def _reads_open(label: str, column: str, cells: Cells) -> bool:
    """Whether the answers are sentences, or differ so much that they are picked from no list."""
    if is_choice(label):
        return False
    answers = [str(cell) for cell in cells[column]]
    if not answers:
        return is_open_question(label)
    listed = sum(1 for answer in answers if _CHOICE_MARKS.fullmatch(answer.strip()))
    if listed > 0.3 * len(answers):
        return False
    distinct = len(set(answers)) / len(answers)
    if is_open_question(label):
        few = len(answers) < 20
        parts = Counter(part.strip() for answer in answers for part in answer.split(","))
        picked = not few and sum(n for n in parts.values() if n > 2) > 0.6 * sum(parts.values())
        return not picked and (distinct > 0.5 or (few and prose_chars(answers) > 0))
    return distinct > 0.5 and prose_chars(answers) >= OPEN_CHARS


def uses_of(questions: Iterable[Question], cells: Cells, taken: Sequence[ColumnUse] = ()) -> list[ColumnUse]:
    """The uses of a survey's questions beside those of its other columns: one score, one person, many texts."""
    uses = [use_of(question, cells) for question in questions]
    held = {use.field for use in taken if use.field is not None}
    score = next((use for use in taken if use.field is not None and use.field.startswith("score")), None)
    if score is None:
        # a column that nobody has filled in is no rival
        scores = [use for use in uses if _is_score(use)]
        score = min((use for use in scores if cells[use.column]), key=_score_rank, default=None)
        score = score or min(scores, key=_score_rank, default=None)
    found = []
    for use in uses:
        if _is_score(use) and not _same_question(use, score):
            use = replace(as_attribute(use.column, cells, name=use.label, confidence=0.45), label=use.label)
        elif use.field == "respondent" and "respondent" in held:
            use = ColumnUse(use.column, None, 1.0, "personal data", use.label)
        found.append(use)
        if use.field == "respondent":
            held.add("respondent")
    return found


def _is_score(use: ColumnUse) -> bool:
    return use.field is not None and use.field.startswith("score")


def _score_rank(use: ColumnUse) -> tuple[int, float]:
    return _SCORES.index((use.field or "score").partition(":")[0]), -use.confidence


def _same_question(use: ColumnUse, score: ColumnUse | None) -> bool:
    """The score itself, or another of the columns into which its one question is spread, a number each."""
    if score is None or use.column == score.column:
        return True
    kinds = [(one.field or "").partition(":")[0] for one in (use, score)]
    return kinds[0] == kinds[1] and use.label == score.label
