"""Whether a text says anything at all: blank answers, keyboard noise and test rows are not tagged."""

import re
from itertools import pairwise
from typing import Literal

from nlp.emoji import is_emoji

# Whole texts (lower case, without outer punctuation) that stand where an answer was left out.
_FILLERS = frozenset(
    {
        "n/a",
        "n.a",
        "n\\a",
        "na",
        "nil",
        "null",
        "nan",
        "undefined",
        "tbd",
        "todo",
        "x",
        "xx",
        "xxx",
        "xxxx",
        "abc",
        "abcd",
    }
    | {
        "not applicable",
        "no comment",
        "no comments",
        "no answer",
        "nothing to add",
        "nothing to say",
        "no response",
    }
    | {"test", "tests", "testing", "test test", "test test test", "testtest", "this is a test", "just a test"}
    | {"just testing", "test message", "test review", "test feedback", "lorem ipsum", "foo", "foo bar", "foobar"}
    | {"blah", "blah blah", "blah blah blah", "bla", "bla bla", "bla bla bla"}
)
# These answer a question ("What did you like least?" — "Nothing"), so they are fillers only without one.
_FILLERS_WITHOUT_QUESTION = frozenset({"none", "nothing", "no", "-"})
_EMOTICON = re.compile(r"[:;=8xX]['’]?[-o^]?[)(DPp\]\[/\\|*3]|<3|\^_?\^")
_TOKEN = re.compile(r"[^\W\d_]+")
_KEYBOARD_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop")
_MAX_NOISE_TOKENS = 3
_MIN_NOISE_CHARS = 4


def nothing_said(text: str, *, has_question: bool = False) -> Literal["empty", "meaningless"] | None:
    """Why a cleaned text is not worth tagging, None where it is.

    `empty`: no letter, digit or emoji (an emoticon such as ":)" counts as an emoji). `meaningless`: a filler
    such as "n/a", a test row, keyboard noise, or digits alone.
    """
    if not any(character.isalnum() or is_emoji(character) for character in text):
        return None if _EMOTICON.search(text) else "empty"
    if len(text) > 200:
        return None
    bare = " ".join(text.lower().replace("’", "'").split()).strip(" .,;:!?\"'()[]*_~-–—")
    if bare in _FILLERS or (not has_question and bare in _FILLERS_WITHOUT_QUESTION):
        return "meaningless"
    tokens = _TOKEN.findall(text)
    if not tokens:
        # digits alone answer a question ("How many ...?") and say nothing without one
        says_something = has_question or any(map(is_emoji, text)) or _EMOTICON.search(text) is not None
        return None if says_something else "meaningless"
    if len(tokens) <= _MAX_NOISE_TOKENS and all(map(is_noise, tokens)):
        return "meaningless"
    return None


def is_noise(token: str) -> bool:
    """Whether a run of letters looks struck at random: a keyboard row, one bit repeated, or no vowel."""
    low = token.lower()
    if len(low) < _MIN_NOISE_CHARS or not low.isascii():
        return False
    if len(set(low)) == 1:
        return True
    neighbours = sum(_are_neighbours(a, b) for a, b in pairwise(low))
    if neighbours >= 0.75 * (len(low) - 1) and not _COMMON_RUNS.search(low):
        return True
    if re.fullmatch(r"(\w{2,4})\1{1,}\w{0,3}", low) and not re.search("[aeiouy]", low):
        return True
    # upper case without a vowel is an abbreviation more often than noise
    return len(low) >= 5 and not token.isupper() and not re.search("[aeiouy]", low)


# Words that lie on neighbouring keys by chance.
_COMMON_RUNS = re.compile(
    r"^(?:were|property|trees?|power|poor|pool|door|free|feed|dress|wee+|drew|seed|deer|reed|weed)"
)


def _are_neighbours(a: str, b: str) -> bool:
    return any(f"{a}{b}" in row or f"{b}{a}" in row for row in _KEYBOARD_ROWS)
