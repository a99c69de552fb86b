"""What mail programs add to somebody's own words: subjects of replies, and what is quoted from earlier mails."""

from __future__ import annotations

import re
from typing import Any

from service.ingest.senders.values import VERBS, WROTE, text_of_html

# what mail programs put before the subject of a reply or a forwarded mail
REPLY_PREFIX = re.compile(r"(re|aw|wg|sv|vs|antw|rv|res|tr|fw|fwd|réf|ref)(\[\d+\]|\(\d+\))?\s?:", re.IGNORECASE)
# an attribution with a time or an address in it, which nobody writes by hand: it ends the words also where the
# quoted ones are not marked any more
ATTRIBUTION = re.compile(
    rf"(on|am|le|el|il|em|op|den|w dniu|dnia)\b(?=.*(\d{{1,2}}[:.h]\d\d|@)).{{5,300}}?({VERBS}).{{0,200}}:\s*$",
    re.IGNORECASE,
)
MAX_ATTRIBUTION_LINES, MAX_ATTRIBUTION_CHARS = 3, 400  # mail programs break it
FORWARDED = re.compile(r"-{2,}\s*(original|forwarded|ursprüngliche|weitergeleitete|message d|mensaje)", re.I)
FROM_LINE = re.compile(r"\*?(from|von|de|da|van):\*?\s", re.I)
SENT_LINE = re.compile(r"\*?(sent|date|gesendet|datum|envoyé|enviado|fecha|inviato|data|verzonden) ?:\*?\s", re.I)
# "##- Please type your reply above this line -##", in any language
REPLY_ABOVE = re.compile(r"[\s>]*##-.*-##\s*$")
RULE = re.compile(r"[_\-=*]{5,}\s*$")
QUOTED = re.compile(r">+(\s|>|$)")  # not ">50 % of my orders"


def opening_subject(subject: Any) -> str | None:
    """The subject of a mail that opens a conversation; None for replies, which only repeat it."""
    if not isinstance(subject, str) or REPLY_PREFIX.match(subject.strip()):
        return None
    return subject.strip() or None


def plain_reply(text: Any) -> str | None:
    """The words of a plain mail without what it quotes from before; None where nothing is left."""
    if not isinstance(text, str):
        return None
    lines = [line.replace("\xa0", " ") for line in text.splitlines()]
    kept: list[str] = []
    place = 0
    while place < len(lines):
        line, following = lines[place], lines[place + 1 : place + 5]
        if (
            FORWARDED.match(line)
            or REPLY_ABOVE.match(line)
            or (FROM_LINE.match(line) and any(map(SENT_LINE.match, following)))
        ):
            while kept and (not kept[-1].strip() or RULE.match(kept[-1])):
                kept.pop()  # the line that mail programs draw above it
            break
        if taken := _attribution(lines, place):
            place += taken
            while place < len(lines) and (not lines[place].strip() or lines[place].startswith(">")):
                place += 1
            continue
        if _ends_here(lines, place):
            break
        if not QUOTED.match(line):
            kept.append(line.rstrip())
        place += 1
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() or None


def _joined(lines: list[str], place: int) -> list[str]:
    """The line, and it with the ones after it, as long as they could be an attribution."""
    if not lines[place].strip() or lines[place].startswith(">"):
        return []
    candidates = [" ".join(lines[place : place + count]) for count in range(1, MAX_ATTRIBUTION_LINES + 1)]
    return [one for one in candidates if len(one) <= MAX_ATTRIBUTION_CHARS]


def _attribution(lines: list[str], place: int) -> int:
    """Of how many lines the attribution of a marked quote is that begins here; 0 where there is none."""
    for count, joined in enumerate(_joined(lines, place), 1):
        if (WROTE if count == 1 else ATTRIBUTION).match(joined):
            rest = next((one for one in lines[place + count :] if one.strip()), "")
            return count if rest.startswith(">") else 0
    return 0


def _ends_here(lines: list[str], place: int) -> bool:
    """Whether an attribution begins here after which nothing of the customer's own follows."""
    return any(map(ATTRIBUTION.match, _joined(lines, place)))


def own_words(body: Any) -> str | None:
    """What somebody wrote in a message, HTML or plain, without what it quotes; None where nothing is left."""
    return plain_reply(text_of_html(body))
