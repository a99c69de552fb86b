"""Where to start listening to a stage that nobody hears of, and what to ask there; our own wording."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Listening:
    """A first way to hear of a stage: a place, the channel that it comes in by, open questions."""

    where: str
    channel: str
    ask: tuple[str, ...]


LISTENING: Final[dict[str, Listening]] = {
    "awareness": Listening(
        "one question after the first order or sign-up, and public posts that name you",
        "survey",
        ("How did you first hear of us?", "What did you take us for, before you looked closer?"),
    ),
    "consideration": Listening(
        "a question in the corner of product and price pages, and questions put to sales and chat",
        "chat",
        ("What were you looking for today, and did you find it?", "What is still open before you can decide?"),
    ),
    "decision": Listening(
        "two questions to new customers, and to those who asked for an offer and did not take it",
        "survey",
        ("What nearly kept you from choosing us?", "What did you choose in the end, and why?"),
    ),
    "purchase": Listening(
        "a question on the page after paying, and to those who left a full basket behind",
        "survey",
        ("What made paying harder than it had to be?", "Why did you not finish your order?"),
    ),
    "delivery": Listening(
        "a message on the day after arrival, with one score and one open question",
        "survey",
        ("How did your order reach you?", "What should have been different on its way?"),
    ),
    "onboarding": Listening(
        "a question within the product one week after the start, and set-up tickets by their own tag",
        "survey",
        ("What was hardest in your first week?", "What did you expect to be able to do and could not?"),
    ),
    "usage": Listening(
        "reviews of the product, and a question within it every quarter to a random part of its users",
        "review",
        ("What do you use it for most, and what gets in the way?", "What would you miss if it were gone?"),
    ),
    "support": Listening(
        "the tickets and chats themselves, and one question after each closed case",
        "ticket",
        ("Is your problem solved?", "What would have saved you from asking us?"),
    ),
    "loyalty": Listening(
        "a question some weeks before renewal, or after the third order",
        "survey",
        ("Why do you stay with us?", "What would make you look elsewhere?"),
    ),
    "churn": Listening(
        "one open question where people cancel, and a call to some of those who went quiet",
        "survey",
        ("What was the last straw?", "Where do you go now, and what is better there?"),
    ),
    "advocacy": Listening(
        "public reviews and posts, and the recommendation question with its reason",
        "social",
        ("What do you tell others about us?", "What would have to change before you recommend us?"),
    ),
}

UNREAD: Final[dict[str, str]] = {
    "no_text": "Only a score came: add an open question after it.",
    "unsure": "The model abstains: read a few and correct them, it learns from that.",
    "unsupported_language": "Send a translation along (`translation`), which is read in place of the text.",
    "meaningless": "Nothing is said (n/a, keyboard noise): ask one clear question instead of an empty box.",
    "untagged": "Not read yet: this goes away by itself.",
}
