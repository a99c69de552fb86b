"""Names of people, only where the words around them leave no doubt.

Two kinds of certainty: a form that only people have ("my name is …", "Mr …", "Kind regards, …"), or a common given
name where people are met ("spoke to Sarah", "Hi Tom,"). A capitalised word alone is never taken for a name.
"""

import re
from collections.abc import Iterator

from nlp.redact.given_names import GIVEN_NAMES
from nlp.redact.spans import Span
from nlp.redact.words import words

_CAPITAL = "[A-ZÀ-ÖØ-ÞŠŽĆČŁŚŻ]"
_REST = r"[^\W\d_]{1,24}"
_PART = rf"{_CAPITAL}{_REST}(?:['’-]{_CAPITAL}?{_REST})?|[OD]['’]{_REST}|Mc{_CAPITAL}{_REST}"
_PARTICLE = r"(?:(?:van|von|de|del|della|da|dos|di|la|le|bin|al|el|den|der|ter|du) ){1,2}"
_FULL = re.compile(
    rf"(?:(?:{_PART}|[A-Z]\b\.?)(?: {_PARTICLE}| |-)){{0,3}}(?:{_PART})(?!\w)(?: (?:Jr|Sr|II|III)\b)?"
)
_ANY_CASE = re.compile(r"[^\W\d_]{2,25}(?:['’-][^\W\d_]{2,25})?")

# words that begin with a capital beside names and are none
_NO_NAME = words(
    """
    a an and any as at but by can cannot could customer customers dear did disappointed do does for former
    former frequent from frustrated get go great guest had happy has have he hello her here hey hi his how i
    if in is it its it's just let loyal madam many me member mr mrs ms miss my never no none not now of ok
    okay on one or our out please regards regular sent she sir sirs since so sorry support team thank thanks
    that the their them then there they this to today tomorrow tonight too unhappy until user very was we
    well were what when where which while who why will with would yes yesterday yet you your monday tuesday
    wednesday thursday friday saturday sunday january february march april may june july august september
    october november december anonymous angry annoyed patient resident concerned client reader shopper
    traveller traveler passenger subscriber store manager management service services staff sales help desk
    helpdesk online chat company group ltd inc llc amazon google apple microsoft facebook all everyone
    everybody anyone someone somebody nobody guys folks friends both another other ceo dept department
    reception regarding re order ref best kind warm yours cheers good bad nice love excellent terrible wow
    awesome amazing christmas english spanish american british still also because about after before again
    always
    """
)
_TITLED = re.compile(
    r"\b(?:Mr|Mrs|Ms|Mx|Miss|Dr|Prof|Professor|Doctor|Herr|Frau|Madame|Mme|Monsieur|Señora?)\b\.?\s"
)
_SMALL_TITLED = re.compile(r"\b(mrs?)\b\.? ([^\W\d_]{2,25})(?![\w'’])")
_TITLE_HINT = re.compile("[MDPHFS](?:rs?|s|x|iss|rof|octor|err|rau|adame|me|onsieur|eñor)")
# what stands behind a title in the names of products, shops and figures
_NOT_TITLED = {
    "dr": words(
        """
        pepper martens marten who oetker oetkers scholl scholl's scholls strange mario dre browns brown's bronner
        bronner's no seuss evil house phil watson beckmann hauschka jart barbara pawpaw
        """
    ),
    "mr": words(
        """
        kipling muscle clean bean robot beast coffee price porter potato whippy freeze t tickle men big sheen
        bubble right perfect incredible fox pibb heater rooter money handyman cool holmes fluffy magic cooper
        """
    ),
    "mrs": words("meyer's meyers butterworth's butterworth doubtfire fields hinch brown's brown dalloway"),
    "ms": words(
        """
        word office teams excel paint access outlook project windows edge visio sql dos pacman pac marvel store
        exchange surface powerpoint publisher sharepoint onenote
        """
    ),
    "miss": words(
        """
        dior saigon america universe world marple selfridge swiss daisy moneypenny you fisher guided tutti piggy
        patina sixty
        """
    ),
    "prof": words("plum green"),
    "doctor": words("who strange doom appointment appointments visit online surgery care"),
    "professor": words("green plum layton x"),
    "madame": words("tussauds tussaud tussaud's butterfly gazelle"),
}

_SELF = re.compile(
    r"\b(?:my|the|his|her|their|your|our|full|first|last|sur|passenger|patient|customer|guest|cardholder"
    r"|card ?holder"
    r"|account ?holder|contact|driver's|driver|agent's|agent|rep's|advisor's|person's|lady's|guy's|employee's)"
    r"(?:\s(?:full|first|last))?\s?name(?:'s|’s|\s(?:is|was)|\s?:|\s?=| -)\s{0,2}",
    re.IGNORECASE,
)
_FIELD = re.compile(
    r"(?:^|(?<=[\n;|]))[ \t]*(?:name|from|signed|to|cc|attn)[ \t]?:[ \t]{0,3}", re.IGNORECASE | re.MULTILINE
)
_AFTER_SELF_NO_NAME = _NO_NAME | words(
    """
    spelled spelt misspelled wrong incorrect correct mispronounced pronounced taken being used listed
    missing unknown private changed different same already written too
    """
)
_SIGN_OFF = re.compile(
    r"\b(?:regards|sincerely(?: yours)?|faithfully|yours truly|respectfully|signed"
    r"|best wishes)[,.!]?(?: by)?[ \t]{0,3}(?:\n[ \t\n]{0,4})?[-–~]?[ \t]?",
    re.IGNORECASE,
)
_SIGN_OFF_HINTS = ("regards", "sincerely", "faithfully", "yours truly", "respectfully", "signed", "best wishes")
_CLOSING_LINE = re.compile(
    r"(?:^|(?<=[.!?\n ]))(?:many thanks|thanks(?: again| so much| in advance| a lot)?|thank you|cheers|best"
    r"|warmly|love|cordially|xx?)"
    r"[,.!]{0,2}[ \t]*\n[ \t\n]{0,4}[-–~]?[ \t]?",
    re.IGNORECASE,
)
_NAMED_PERSON = re.compile(
    r"\b(?:man|woman|lady|gentleman|guy|girl|boy|person|agent|rep|representative|advis[oe]r|employee|manager"
    r"|supervisor"
    r"|nurse|doctor|driver|courier|waiter|waitress|server|technician|tech|engineer|assistant|operator|colleague"
    r"|receptionist|cashier|consultant|associate|salesman|saleswoman|salesperson|someone|somebody|staff|friend"
    r"|clerk"
    r"|bartender|barista|guide|host|hostess|teacher|trainer|instructor|therapist|plumber|electrician"
    r"|builder),?\s"
    r"(?:(?:was|is|who was)\s)?(?:named|called|by the name of|name of|whose name (?:is|was))\s"
)
_BRACKETED_MAIL = re.compile(r"\s{0,2}[<(\[](?=[\w.+%'~-]{1,64}@)")

_ROLE = (
    "agent|rep|representative|advis[oe]r|manager|supervisor|technician|tech|engineer|driver|courier|nurse"
    "|waiter|waitress"
    "|server|host|hostess|receptionist|assistant|colleague|cashier|operator|therapist|consultant|teacher|trainer"
    "|instructor|guide|salesman|saleswoman|salesperson|husband|wife|son|daughter|mother|father|mum|mom|dad"
    "|brother"
    "|sister|partner|friend|girlfriend|boyfriend|neighbou?r|boss|employee|dentist|midwife|barista|bartender"
    "|lady|guy"
    "|gentleman|cousin|grandson|granddaughter|fianc[eé]e?|physio|hygienist|landlord|roommate"
)
_BEFORE_GIVEN = re.compile(
    r"(?:"
    r"\b(?:spoke|speak|speaking|spoken|talked|talking|talk|chatted|chatting|chat|dealt|dealing|worked|working"
    r"|met|meeting"
    r"|call|conversation)\s(?:to|with)\s(?:(?:a|an|the|your|my)\s)?(?:\w{2,15}\s)?"
    r"|\b(?:helped|served|assisted|treated|seen|greeted|handled|told|answered|contacted|advised|called"
    r"|attended)\sby\s"
    r"(?:(?:a|an|the|your)\s)?(?:\w{2,15}\s)?"
    r"|\b(?:emailed|e-mailed|called|phoned|rang|asked|met|messaged|ask)\s(?:for\s)?"
    r"|\b(?:ask for|credit to|kudos to|props to|shout ?out to|thanks to|thank you to|well done to|praise for"
    r"|thanks|thank"
    r"|thank you|hi|hello|hey|dear|good morning|good afternoon|good evening|hi there|cheers|well done"
    r"|bravo)[ ,]\s?"
    r"|\b(?:i am|i'm|i’m|this is|it's|it’s|it is|im|named|name was|name is|signed|signed by|mention|thank)\s"
    rf"|\b(?:{_ROLE}),?\s(?:(?:was|is|named|called|name|is called|was called)\s)?"
    r"|\band\s(?:(?:later|then|again|also|finally|first|second)\s)?(?:to|with)\s"
    r"|\band\s"
    r")$",
    re.IGNORECASE,
)
_ONLY_CHAINED = re.compile(r"\band\s$", re.IGNORECASE)
_AFTER_GIVEN = re.compile(
    r"\s(?:from|in|at|on)\s(?:the\s|your\s|our\s)?(?:customer|support|reception|front desk|help ?desk|sales"
    r"|service|billing"
    r"|accounts|technical|tech|chat|store|shop|phone|check-?in|bar|desk|call cent|complaints|team|admin)"
    r"|\s(?:was|is|were|has been|had been)\s(?:\w{2,12}\s){0,2}(?:helpful|rude|polite|patient|friendly"
    r"|knowledgeable|courteous"
    r"|professional|attentive|unhelpful|welcoming|understanding|considerate|dismissive|condescending|impolite)\b"
    r"|\s(?:helped|assisted|served|looked after|took care|answered my|explained|told me|promised|called me"
    r"|rang me|advised me"
    r"|sorted my|fixed my|went above|treated me|greeted|emailed me|assured me|informed me|hung up"
    r"|picked up the phone"
    r"|and (?:his|her|the) team)\b"
    r"|,\s(?:my|our|the|your|one of)\s(?:\w{2,15}\s){0,2}(?:" + _ROLE + r")\b"
)
_CAPITALISED = re.compile(rf"(?<![\w@#./-]){_CAPITAL}[^\W\d_]{{1,24}}(?![\w@])")
_MAYBE_CAPITALISED = re.compile(rf"{_CAPITAL}[^\W\d_]{{1,24}}")  # faster, for it may begin inside a word
_LOOK_BACK_CHARS = 60


def names(text: str, low: str) -> Iterator[Span]:
    """Names of people. `low` is the text in small letters."""
    yield from _by_form(text, low)
    yield from _given(text)


def _by_form(text: str, low: str) -> Iterator[Span]:
    for match in _TITLED.finditer(text) if _TITLE_HINT.search(text) else ():
        title = match[0].strip(". \t\n").lower()
        if (end := _name_end(text, match.end())) is not None:
            first = text[match.end() : end].split()[0].lower().removesuffix("'s").removesuffix("’s")
            unless = _NOT_TITLED.get(title, words(""))
            if first not in unless and f"{first}'s" not in unless and not _is_drive(text, match, title):
                yield Span(match.end(), end, "name")
    if "mr" in low:
        for match in _SMALL_TITLED.finditer(low) if len(low) == len(text) else ():
            if match[2] not in _NO_NAME and match[2] not in _NOT_TITLED[match[1]]:
                yield Span(match.start(2), match.end(2), "name")
    if "name" in low:
        for match in _SELF.finditer(text):
            mine = match[0].lower().startswith(("my", "full", "first", "last", "sur", "his", "her"))
            end = _name_end(text, match.end(), no_name=_AFTER_SELF_NO_NAME) or (
                _any_case_end(text, match.end()) if mine else None
            )
            if end is not None:
                yield Span(match.end(), end, "name")
    if ":" in text:
        for match in _FIELD.finditer(text):
            if (end := _name_end(text, match.end())) is not None and _ends_line(text, end):
                yield Span(match.end(), end, "name")
    if "called" in low or "name" in low:
        for match in _NAMED_PERSON.finditer(low) if len(low) == len(text) else ():
            if (end := _name_end(text, match.end())) is not None:
                yield Span(match.end(), end, "name")
    for pattern in _closings(text, low):
        for match in pattern.finditer(text):
            end = _name_end(text, match.end())
            if end is not None and _ends_line(text, end) and (pattern is _SIGN_OFF or _is_last(text, end)):
                yield Span(match.end(), end, "name")


def _closings(text: str, low: str) -> Iterator[re.Pattern[str]]:
    if any(words in low for words in _SIGN_OFF_HINTS):
        yield _SIGN_OFF
    if "\n" in text:
        yield _CLOSING_LINE


def _is_drive(text: str, match: re.Match[str], title: str) -> bool:
    """ "12 Sunset Dr Apt 4": the abbreviation of a street."""
    return (
        title == "dr" and re.search(r"\d [A-Z]\w+ $", text[max(0, match.start() - 40) : match.start()]) is not None
    )


def _name_end(text: str, start: int, *, no_name: frozenset[str] = _NO_NAME) -> int | None:
    """Where a capitalised name that starts at `start` ends; None where there is none."""
    match = _FULL.match(text, start)
    if match is None:
        return None
    end = start
    for part in re.finditer(r"[^\s]+", match[0]):
        word = part[0].strip(".,").lower()
        if word in no_name or word.removesuffix("'s").removesuffix("’s") in no_name:
            break
        end = start + part.end()
    # a possessive s is not part of the name, nor is a particle without what follows it
    kept = re.sub(r"(?:\s(?:van|von|de|del|da|di|la|le|al|el|den|der|du))+$", "", text[start:end])
    kept = re.sub(r"['’]s$", "", kept)
    if not kept or (len(kept.strip(".")) < 2):
        return None
    return start + len(kept)


def _any_case_end(text: str, start: int) -> int | None:
    """Where a name in small letters or all capitals ends, after "my name is": one word, or two before an end."""
    first = _ANY_CASE.match(text, start)
    if first is None or first[0].lower() in _AFTER_SELF_NO_NAME or first[0].lower().endswith(("ed", "ing", "ly")):
        return None
    if text[first.end() : first.end() + 1] == " ":
        second = _ANY_CASE.match(text, first.end() + 1)
        if second is not None and second[0].lower() not in _NO_NAME and _ends_clause(text, second.end()):
            return second.end()
    return first.end()


def _ends_clause(text: str, end: int) -> bool:
    return re.match(r"\s*(?:[.,;!?\n(]|$|and\b|i\b|from\b)", text[end : end + 12], re.IGNORECASE) is not None


def _ends_line(text: str, end: int) -> bool:
    return re.match(r"[ \t]*[.!,]?[ \t]*(?:\n|$|[<(\[])", text[end : end + 8]) is not None


def _is_last(text: str, end: int) -> bool:
    return len(text) - end <= 120


def _given(text: str) -> Iterator[Span]:
    if GIVEN_NAMES.isdisjoint(_MAYBE_CAPITALISED.findall(text)):
        return
    last_end = -10
    for match in _CAPITALISED.finditer(text):
        if match[0] not in GIVEN_NAMES or match.start() < last_end:
            continue
        if not _is_person(text, match, last_end):
            continue
        end = _name_end(text, match.start())
        if end is not None:
            yield Span(match.start(), end, "name")
            last_end = end


def _is_person(text: str, match: re.Match[str], last_end: int) -> bool:
    before = _BEFORE_GIVEN.search(text[max(0, match.start() - _LOOK_BACK_CHARS) : match.start()])
    if before is not None:
        if not _ONLY_CHAINED.fullmatch(before[0]):
            return True
        if match.start() - last_end <= 5:  # "Sarah and Tom"
            return True
    end = _name_end(text, match.start()) or match.end()
    if _BRACKETED_MAIL.match(text, end):
        return True
    previous = text[max(0, match.start() - 24) : match.start()].split()
    if previous and previous[-1][:1].isupper() and previous[-1].isalpha() and len(previous[-1]) > 1:
        return False  # "iPhone Pro Max was": the end of another name
    return _AFTER_GIVEN.match(text, end) is not None
