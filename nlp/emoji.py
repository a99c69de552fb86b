"""Emoji and emoticons as words, because a thumb says as much as "good"."""

import re
import unicodedata

# The feeling of the most used ones in a word that the model has seen; the rest is read by its Unicode name.
_WORDS = {
    "great": "👍👌💯🔥🏆🥇⭐🌟✅🙌👏💪🤝",
    "happy": "😀😃😄😁😆😊🙂☺😎😺🤗😌😇🥳🎉",
    "love": "❤♥😍🥰😘💕💖💗💓💙💚💛💜🧡🖤😻🤩",
    "funny": "😂🤣😅😜😝😛",
    "thanks": "🙏",
    "bad": "👎❌🤢🤮💩🤦😖🥴",
    "awful angry": "😠😡🤬👿😤🖕",
    "sad": "😢😭😞😔☹🙁😟💔😿😩😫😥😓😣",
    "worried": "😰😨😱😧😬😳",
    "confused": "😕🤔🤨🙄❓😐😑🤷",
}
_BY_CHARACTER = {character: word for word, characters in _WORDS.items() for character in characters}
_EMOTICONS = {
    "happy": r"[:;=]['’]?[-o^]?[)D\]]|\^_?\^|\bx[dD]\b",
    "sad": r"[:=]['’]?[-o^]?[(\[]",
    "confused": r"[:=]-?[/\\|](?!/)",
    "funny": r"[:;=][-o^]?[pP]\b",
    "love": r"<3",
}
_EMOTICON = re.compile("|".join(f"(?P<{word}>{pattern})" for word, pattern in _EMOTICONS.items()))
_MAY_HOLD_EMOTICON = re.compile(r"[:;=^]|<3|x[dD]")
_SYMBOL = re.compile(r"[\u2600-\u27bf\u2b50\u2b55\U0001f300-\U0001faff]")


def spoken(text: str) -> str:
    """The text with emoji and emoticons written out as words. Lengths change: for features only."""
    if _MAY_HOLD_EMOTICON.search(text):
        text = _EMOTICON.sub(lambda match: f" {match.lastgroup} ", text)
    if text.isascii():
        return text
    return _SYMBOL.sub(_word, text)


def is_emoji(character: str) -> bool:
    """Whether a character is a pictograph that `spoken` writes out."""
    return _SYMBOL.match(character) is not None


def _word(match: re.Match[str]) -> str:
    character = match[0]
    known = _BY_CHARACTER.get(character)
    if known is not None:
        return f" {known} "
    # "SMILING FACE WITH HALO": the words of the name carry some of the meaning
    return f" {unicodedata.name(character, '').lower()} "
