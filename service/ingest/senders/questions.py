"""What a survey question asks for, told by its words in English, German, French and Spanish."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from service.ingest.column_names import guess_field, is_personal
from service.ingest.incoming import ScoreKind

MAX_QUESTION_CHARS = 1000  # are looked at
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_E_MAIL = re.compile(r"[^@\s<>]+@[^@\s<>]+\.[^@\s<>]{2,}")
_PHONE = re.compile(r"(?:\+|00?)[1-9][\d\s()./-]{6,20}")
_LINK = re.compile(r"(?:https?|ftp)://\S+", re.IGNORECASE)

# in this order: "How satisfied are you with how easy it was" asks for satisfaction
_KINDS: tuple[tuple[ScoreKind, re.Pattern[str]], ...] = (
    (
        "nps",
        re.compile(
            r"recommend|empf(?:ehl|iehl)|recommand|conseiller|recom(?:ie|e)nd|\be?nps\b|net promoter", re.I
        ),
    ),
    (
        "csat",
        re.compile(
            r"satisf|zufrieden|\bcsat\b|\bhow happy\b|\bhappy with\b|glücklich|heureu(?:x|se)|"
            r"êtes[- ]vous contente?s?\b|\bcontent[oa]s?\b(?= con|.* está)|\bfeliz\b",
            re.I,
        ),
    ),
    (
        "ces",
        re.compile(
            r"\beas(?:y|ier|ily|e)\b|effort|einfach|\bleicht|mühelos|aufwand|\bfacile|facilité|"
            r"fácil|facilidad|sencill|esfuerzo|\bces\b|difficult|schwierig|difficile|difícil",
            re.I,
        ),
    ),
    (
        "stars",
        re.compile(
            r"\bstars?\b|\bstern|étoile|estrella|\brat(?:e|ing|ings)\b|bewert|\bnote[rz]?\b|évalu|"
            r"califi[cq]|valora|puntu|\bhow was\b|wie war\b|\boverall\b|insgesamt|"
            r"globalement|en general",
            re.I,
        ),
    ),
)

# "your e-mail", "Ihre Telefonnummer", "votre nom": asked of the person, and not "your e-mail newsletter"
_YOURS = r"\b(?:your|my|ihre?n?|deine?n?|eure?n?|votre|vos|ton|tes|tu|tus|su|sus|mi|the best)\s+(?:[\w-]+\s+){0,2}"
_CONTACTS = (
    r"(?:e-?mails?|mail|phone|telephone|mobile|cell|name|surname|address|birthday|date of birth|"
    r"telefon\w*|handy\w*|mobil\w*|anschrift|adresse|vorname|nachname|geburtsdatum|"
    r"courriel|téléphone|portable|nom|prénom|"
    r"correo(?: electrónico)?|teléfono|móvil|nombre|apellidos?|dirección)"
)
_ENDS = (
    r"(?:\s*[-/&]?\s*(?:address(?:es)?|number|id|adresse|nummer|e-?mail|completo|complet|électronique|"
    r"de familia))*"
    r"\s*(?:$|[?.:,;!(*/–]|\b(?:so|if|and|or|to|for|in|below|here|und|oder|falls|wenn|damit|für|hier|unten|"
    r"et|ou|si|pour|afin|ici|y|o|para|aquí)\b)"
)
_ASKS_CONTACT = re.compile(
    _YOURS + _CONTACTS + _ENDS + r"|\bwie hei(?:ß|ss)(?:en sie|t du)\b|\bcómo (?:se llama|te llamas)\b|"
    r"\bcomment vous appelez|\bwhat are you called\b",
    re.I,
)
_SHORT_CONTACT = re.compile(r"(?:e-?mail|phone|tele(?:fon|phone)|telefon|handy|mobile)\b", re.I)

# who the person is, not what they say: a filter
_PROFILE = re.compile(
    r"(?:(?:what|which|where|welches?|welche[nmr]?|wie|in|en|aus|quel(?:le)?|cuál|qué|is|are|do|the|name|of|your|"
    r"ist|sind|ihre?|deine?|der|die|das|est|votre|ton|ta|la|le|su|tu|es|el)\s+)*"
    r"(?:company|organi[sz]ation|employer|job title|job role|position|role|department|industry|country|city|"
    r"age|age group|gender|firma|unternehmen|abteilung|branche|land|stadt|alter|geschlecht|"
    r"entreprise|société|poste|pays|ville|âge|empresa|cargo|puesto|país|ciudad|edad)"
    r"(?:\s+(?:name|size|do you (?:work|live)[\w ]*|are you (?:in|from)|you (?:work|live)[\w ]*))?\s*[?:*]?",
    re.I,
)
_PROFILE_WORDS = 8

_CHOOSE = re.compile(
    r"\b(?:pick|select|choose|check|tick|mark) |\ball that apply\b|wählen|auswähl|ankreuz|mehrfach|"
    r"choisi|cochez|sélectionn|seleccion|elij|elig|marque|marca ",
    re.I,
)
_TELL = re.compile(
    r"comment|feedback|\bwhy\b|reason|suggest|improve|tell us|tell me|anything|\belse\b|explain|describe|"
    r"\bshare\b|"
    r"opinion|thoughts|message|review|remarks|verbatim|"
    r"\bwhat (?:did|do|would) you (?:most |really )?(?:dis)?(?:like|love|enjoy|miss|change)\b|"
    r"\bwhat (?:can|could|should) we (?:do|change)\b|"
    r"kommentar|warum|wieso|weshalb|grund\b|gründe|vorschl|verbesser|erzähl|sonst noch|beschreib|anmerk|"
    r"meinung|nachricht|\bwas (?:hat|gefällt|gefiel|fehlt|fehlte|stört|störte|können wir|sollten wir)\b|"
    r"pourquoi|raison|amélior|dites[- ]|autre chose|expliqu|décri|avis\b|remarque|"
    r"\bqu['’](?:avez-vous|est-ce qui vous)|\bque pensez|"
    r"por qué|motivo|razón|sugeren|mejorar|cuéntenos|cuéntanos|algo más|expli(?:ca|que)|descri|comentario|"
    r"\bqué (?:es lo que )?(?:más )?(?:le|te|les) (?:ha )?(?:gust|falt|molest|parec)",
    re.I,
)
_OPEN_WORDS = 4


def spelled(key: str | None) -> str:
    """A question or a key as words: "howSatisfied" and "how_satisfied" are "how satisfied"."""
    if not key:
        return ""
    key = key[:MAX_QUESTION_CHARS]
    if " " not in key.strip():
        words = _CAMEL.sub(" ", key).replace("_", " ")
        key = words.lower() if words != key else key
    return " ".join(key.split())


@lru_cache(maxsize=4096)
def asked_score(question: str | None) -> ScoreKind | None:
    """The kind of score that a rating question asks for; None where its words do not tell."""
    words = spelled(question)
    return next((kind for kind, pattern in _KINDS if pattern.search(words)), None)


@lru_cache(maxsize=4096)
def asks_contact(question: str | None) -> bool:
    """Whether a question asks who or where the person is: name, e-mail, phone, address."""
    words = spelled(question)
    if not words:
        return False
    if is_personal(words) and len(words.split()) <= 3:
        return True
    return bool(_ASKS_CONTACT.search(words) or (len(words.split()) <= 2 and _SHORT_CONTACT.match(words)))


@lru_cache(maxsize=4096)
def asks_profile(question: str | None) -> bool:
    """Whether a short question asks for what the person belongs to: company, role, country."""
    words = spelled(question)
    return 0 < len(words.split()) <= _PROFILE_WORDS and _PROFILE.fullmatch(words) is not None


def reads_as_open(question: str | None, value: str) -> bool:
    """Whether a text was written by the customer and not chosen from a list, where the sender does not tell.

    Told by the question, else by the text: who writes more than a few words has written them.
    """
    words = spelled(question)
    if _CHOOSE.search(words):
        return False
    return bool(_TELL.search(words)) or len(value.split()) >= _OPEN_WORDS


def is_e_mail(value: object) -> bool:
    """Whether a value is an e-mail address and nothing else."""
    return isinstance(value, str) and len(value) <= 320 and _E_MAIL.fullmatch(value.strip()) is not None


def is_phone(value: object) -> bool:
    """Whether a text may be a telephone number and nothing else."""
    return isinstance(value, str) and len(value) <= 40 and _PHONE.fullmatch(value.strip()) is not None


def is_link(value: object) -> bool:
    """Whether a text is an address in the web and nothing else."""
    return isinstance(value, str) and len(value) <= 4096 and _LINK.fullmatch(value.strip()) is not None


def has_words(text: str) -> bool:
    """Whether a text says something: a letter or a picture sign, not only digits and points."""
    return any(sign.isalpha() or unicodedata.category(sign) == "So" for sign in text)


def named_person(name: str) -> bool:
    """Whether a hidden field's name tells the customer's id in the survey owner's own books ("user_id")."""
    guess = guess_field(name)
    return guess is not None and guess[0] == "respondent" and guess[1] >= 0.9


def named_language(name: str) -> bool:
    """Whether a hidden field's name tells the language of the answers."""
    guess = guess_field(name)
    return guess is not None and guess[0] == "language"
