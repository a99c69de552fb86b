"""The words of Jira's two kinds of text: wiki markup, and the Atlassian Document Format (ADF)."""

from __future__ import annotations

import re
from typing import Any

# what ends a line in ADF
BLOCKS = frozenset(
    {"paragraph", "heading", "codeBlock", "tableRow", "rule", "hardBreak", "caption", "decisionItem"}
)
# what is not the author's: quoted from others, names of others, pictures and files, what an app puts there
NOT_WORDS = frozenset(
    {
        "blockquote",
        "mention",
        "media",
        "mediaSingle",
        "mediaGroup",
        "mediaInline",
        "inlineCard",
        "blockCard",
        "embedCard",
        "extension",
        "inlineExtension",
        "bodiedExtension",
    }
)
# every class stops where the next of its kind may open, so that hostile text costs no more than its length
WIKI = (
    (re.compile(r"\{quote\}.*?(\{quote\}|\Z)", re.DOTALL), ""),
    (re.compile(r"^bq\. .*$", re.MULTILINE), ""),
    (re.compile(r"\[~[^\[\]\n]*\]"), ""),  # a mention
    (re.compile(r"\[\^[^\[\]\n]*\]"), ""),  # an attached file
    (re.compile(r"!(?=\S)[^!\n|]*\.(png|jpe?g|gif|bmp|svg|webp|heic|mp4|mov|pdf)(\|[^!\n]*)?!", re.I), ""),
    (re.compile(r"\[([^\[\]|\n]+)\|[^\[\]\n]*\]"), r"\1"),  # a link and its text
    (re.compile(r"\{(color|panel|code|noformat|anchor)(:[^{}\n]*)?\}"), ""),
    (re.compile(r"^h[1-6]\. ", re.MULTILINE), ""),
)


def words(value: Any) -> str | None:
    """The author's own words in a text of either kind; None where there are none."""
    if isinstance(value, str):
        text = value.replace("\r\n", "\n")
        for pattern, instead in WIKI:
            text = pattern.sub(instead, text)
    elif isinstance(value, dict):
        parts: list[str] = []
        _read(value, parts)
        text = "".join(parts)
    else:
        return None
    lines = (line.rstrip() for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() or None


def _read(node: Any, parts: list[str]) -> None:
    """Collect the words of a document's node; as deep as the JSON around it may be."""
    if not isinstance(node, dict):
        return
    kind, attrs, content = str(node.get("type")), node.get("attrs"), node.get("content")
    if kind in NOT_WORDS:
        return
    if kind == "text" and isinstance(node.get("text"), str):
        parts.append(node["text"])
    elif kind in ("emoji", "status") and isinstance(attrs, dict) and isinstance(attrs.get("text"), str):
        parts.append(attrs["text"])
    if isinstance(content, list):
        for one in content:
            _read(one, parts)
    if kind in BLOCKS:
        parts.append("\n")
    elif kind in ("tableCell", "tableHeader"):
        parts.append(" ")
