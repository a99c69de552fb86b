"""Answers that stay right as long as what they were counted from, kept until then.

Frames of the rollups and members of themes never change: whoever asks the same of the same one gets the same, from
memory. What comes in makes a new one, and the answers of the old one go with it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

Answer = TypeVar("Answer")


class KeptAnswers(Generic[Answer]):
    """The newest `most` answers of each owner; whoever gets one must not change it."""

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._answers: WeakKeyDictionary[Any, OrderedDict[Hashable, Answer]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, owner: object, question: Hashable, make: Callable[[], Answer]) -> Answer:
        """The answer to a question about an owner, made where it is not kept; two at once may make the same."""
        with self._lock:
            answers = self._answers.setdefault(owner, OrderedDict())
            if question in answers:
                answers.move_to_end(question)
                return answers[question]
        made = make()
        with self._lock:
            answers[question] = made
            while len(answers) > self._most:
                answers.popitem(last=False)
        return made

    def clear(self) -> None:
        """Forget all of them, as a process that has just begun."""
        with self._lock:
            self._answers.clear()
