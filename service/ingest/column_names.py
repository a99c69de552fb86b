"""What exporters call a feedback item's fields, in English, German, French and Spanish."""

from __future__ import annotations

import re
import unicodedata

# fields of an item that a column can hold; names as in the public contract
FIELDS = (
    "text",
    "channel",
    "external_id",
    "source",
    "occurred_at",
    "score",
    "score.kind",
    "score.value",
    "score.scale_min",
    "score.scale_max",
    "score_nps",
    "score_csat",
    "score_ces",
    "score_stars",
    "respondent",
    "touchpoint",
    "stage",
    "language",
    "response_id",
    "conversation_id",
    "question",
    "translation",
    "updated_at",
    "url",
    "value",
)

# (confidence, field, names); the first column of the highest confidence gets the field
_SYNONYMS: tuple[tuple[float, str, str], ...] = (
    (0.95, "external_id", "id"),
    (
        0.9,
        "external_id",
        "feedback_id review_id ticket_id comment_id item_id case_id record_id submission_id entry_id",
    ),
    (
        0.8,
        "external_id",
        "uuid guid nummer kennung lfd_nr laufende_nummer vorgangsnummer ticketnummer identifiant identificador "
        "numero no nr",
    ),
    (0.95, "text", "verbatim comment comments feedback body review_text review_body comment_text feedback_text"),
    (0.92, "text", "customer_review user_review customer_feedback customer_comments review_comment"),
    (0.9, "text", "review message content free_text freetext open_text answer_text customer_comment description"),
    (
        0.9,
        "text",
        "kommentar kommentare freitext rueckmeldung bewertungstext nachricht anmerkung anmerkungen meinung",
    ),
    (0.9, "text", "commentaire commentaires avis message_client verbatims remarque remarques texte temoignage"),
    (0.9, "text", "comentario comentarios opinion opiniones resena mensaje texto observaciones"),
    (
        0.8,
        "text",
        "why reason reasons warum grund begruendung pourquoi raison motivo razon explanation suggestions",
    ),
    (0.8, "text", "answer response reply transcript beschreibung antwort reponse respuesta bewertung"),
    (
        0.95,
        "occurred_at",
        "submitted_at submitted submitted_on submission_date submission_time completed_at responded_at",
    ),
    (
        0.92,
        "occurred_at",
        "created_at created_on created creation_date review_date response_date feedback_date end_date",
    ),
    (0.9, "occurred_at", "date datetime timestamp date_time posted_at published_at posted_on recorded_date"),
    (0.9, "occurred_at", "datum zeitstempel zeitpunkt erstellt erstellt_am abgegeben_am eingegangen_am"),
    (
        0.9,
        "occurred_at",
        "date_de_creation horodateur cree_le date_de_soumission date_reponse fecha fecha_hora creado",
    ),
    (0.8, "occurred_at", "fecha_de_creacion marca_temporal start_date time"),
    (0.9, "updated_at", "modified_at last_modified changed_at geaendert_am modifie_le actualizado"),
    (0.95, "score_nps", "nps nps_score net_promoter_score likelihood_to_recommend nps_rating"),
    (0.85, "score_nps", "weiterempfehlung recommend recommendation recommandation recomendacion ltr"),
    (0.95, "score_csat", "csat csat_score"),
    (0.9, "score_csat", "satisfaction customer_satisfaction satisfaction_score satisfaction_rating"),
    (0.85, "score_csat", "zufriedenheit satisfaccion zufriedenheitswert"),
    (0.95, "score_ces", "ces ces_score customer_effort_score"),
    (0.85, "score_ces", "effort aufwand effort_score"),
    (0.92, "score_stars", "stars star_rating rating_stars sterne etoiles estrellas"),
    (0.88, "score", "customer_rating user_rating customer_score"),
    (0.85, "score", "rating score ratings review_rating rating_value overall_rating punkte punktzahl wertung"),
    (0.8, "score", "overall overall_score gesamtnote gesamtbewertung note_globale"),
    (0.85, "score", "sternebewertung puntuacion calificacion valoracion schulnote note notes"),
    (
        0.95,
        "respondent",
        "respondent_id customer_id user_id contact_id client_id person_id kunden_id kundennummer",
    ),
    (
        0.9,
        "respondent",
        "customerid userid member_id requester_id author_id reviewer_id id_client id_cliente kunde_id",
    ),
    (0.85, "respondent", "email e_mail mail email_address author_email customer_email user_email emailadresse"),
    (0.85, "respondent", "e_mail_adresse adresse_e_mail adresse_email correo correo_electronico courriel"),
    (
        0.7,
        "respondent",
        "customer user author reviewer respondent_name customer_name user_name username kunde benutzer",
    ),
    (0.7, "respondent", "client utilisateur auteur cliente usuario autor nutzer verfasser requester"),
    (
        0.5,
        "respondent",
        "name full_name display_name phone telephone phone_number telefon telefonnummer nombre nom",
    ),
    (
        0.9,
        "language",
        "user_language reviewer_language survey_language lang locale sprache langue idioma language_code",
    ),
    (0.9, "channel", "feedback_channel kanal canal"),
    (0.8, "source", "quelle origen origine"),
    (0.9, "response_id", "responseid survey_response_id antwort_id"),
    (0.9, "conversation_id", "conversation thread_id chat_id"),
    (0.85, "question", "question_text frage pregunta survey_question"),
    (0.9, "translation", "translated_text text_en english_translation translated_comment uebersetzung"),
    (0.85, "url", "link permalink review_url ticket_url"),
    (0.7, "value", "order_value revenue mrr arr contract_value umsatz bestellwert warenkorb"),
)
NAMES: dict[str, tuple[str, float]] = {}
for _confidence, _field, _names in _SYNONYMS:
    for _name in _names.split():
        NAMES.setdefault(_name, (_field, _confidence))


def words_of(text: str) -> frozenset[str]:
    """A list of words as a set."""
    return frozenset(text.split())


# a header that is a sentence ("Your comment on the delivery") holds one of these words, and none of the others
_TEXT_WORDS = words_of(
    "comment comments feedback verbatim review kommentar freitext commentaire commentaires avis "
    "comentario comentarios opinion meinung remarks suggestions suggestion anmerkung"
)
_NO_TEXT_WORDS = words_of(
    "id date time url link count number no nr type status state author name email length score "
    "rating title language lang channel source stars flag category sentiment tag tags topic"
)
_COUNT_WORDS = words_of("count number total average avg id")
_SCORE_WORDS = words_of("rating stars sterne score bewertung note punkte etoiles estrellas")
_DATE_WORDS = words_of("date datetime timestamp time datum zeit uhrzeit fecha hora heure")
_GIVEN_WORDS = words_of(
    "submit submitted submission review created creation response recorded posted completed published feedback "
    "comment survey answer end abgabe bewertung antwort rueckmeldung eingang umfrage soumission reponse avis "
    "envoi creacion respuesta envio opinion encuesta resena"
)
_OTHER_DATE_WORDS = words_of("reply update updated birth due order purchase delivery last millis start")
_NPS_HEADER = re.compile(r"recommend|empfehl|recommand|recomend", re.IGNORECASE)
_CSAT_HEADER = re.compile(r"satisf|zufrieden|\bhow happy\b", re.IGNORECASE)
_CES_WORDS = words_of("easy effort effortless einfach leicht aufwand facile facil esfuerzo effortlessly easily")
_RATING_WORDS = words_of(
    "rate rated bewerten bewertest bewerte beurteilen noter notez evaluer evaluez calificar valorar"
)
_WHY_WORDS = words_of(
    "why reason reasons comment comments warum grund gruende kommentar pourquoi raison motivo porque"
)
_GROUP_WORDS = words_of("group category segment type gruppe kategorie groupe grupo bucket")
_ASKING_WORDS = words_of(
    "what why how which describe tell explain improve suggestion suggestions anything something else additional "
    "was warum wie wieso welche beschreiben erzaehlen erlaeutern verbessern sonst noch weitere gibt "
    "que quoi pourquoi comment quels quelles decrivez expliquez ameliorer autre autres "
    "como cual cuales describa explique mejorar algo otros otra por likes dislikes pros cons"
)
# parts of a review that some forms ask for in fields of their own
_OPEN_PARTS = words_of(
    "pros cons likes dislikes advantages disadvantages strengths weaknesses lob kritik vorteile nachteile "
    "staerken schwaechen wuensche verbesserungsvorschlaege points_forts points_faibles avantages inconvenients "
    "suggestions ameliorations ventajas desventajas sugerencias mejoras improvements positive_feedback "
    "negative_feedback positives negatives"
)
_TITLES = words_of(
    "title review_title titel titre titulo subject betreff headline summary ueberschrift objet asunto "
    "bewertungstitel titre_avis review_headline review_subject"
)
# what a name means when its column does not hold what the name says first
SECOND_MEANING: dict[str, tuple[str, float]] = {
    "note": ("text", 0.6),
    "notes": ("text", 0.6),
    "bewertung": ("score", 0.7),
    "bewertungen": ("score", 0.7),
    "review": ("score", 0.6),
    "avis": ("score", 0.6),
    "opinion": ("score", 0.6),
    "answer": ("score", 0.5),
    "response": ("score", 0.5),
    "antwort": ("score", 0.5),
    "reponse": ("score", 0.5),
    "respuesta": ("score", 0.5),
    "valoracion": ("text", 0.7),
    "rating": ("text", 0.5),
}
_REPLY_WORDS = words_of(
    "reply replies response responses answer antwort antworten reponse respuesta kommentar comment note notes "
    "message text resolution"
)
_STAFF_WORDS = words_of(
    "developer agent owner merchant company support business admin staff internal intern interne interno interna "
    "unternehmen entwickler haendler entreprise empresa seller vendor management moderator operator private"
)

# never kept as an attribute: they name a person
PERSONAL = words_of(
    "email e_mail mail email_address author_email customer_email user_email emailadresse e_mail_adresse "
    "adresse_e_mail adresse_email correo correo_electronico courriel name full_name first_name last_name "
    "firstname lastname display_name vorname nachname nombre nom prenom apellido phone telephone "
    "phone_number mobile telefon telefonnummer handy telefono address street adresse strasse direccion "
    "ip ip_address customer_name user_name username author reviewer respondent_name requester customer "
    "user kunde client utilisateur cliente usuario birthday birthdate date_of_birth geburtsdatum iban "
    "ssn passport"
)

_PERSONAL_WORDS = words_of("email phone telefon iban ssn latitude longitude surname firstname lastname birthday")

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def normalised_name(header: str) -> str:
    """A header in small letters, without accents and signs: "Créé le:" is "cree_le", "EndDate" is "end_date"."""
    spaced = _CAMEL.sub("_", unicodedata.normalize("NFC", header))
    plain = unicodedata.normalize("NFKD", spaced.casefold().translate(_GERMAN))
    return re.sub(r"[^a-z0-9]+", "_", "".join(c for c in plain if not unicodedata.combining(c))).strip("_")


def is_personal(header: str) -> bool:
    """Whether a column names a person: it may become their pseudonym, never an attribute."""
    name = normalised_name(header.rsplit(".", 1)[-1])
    whole = normalised_name(header)
    return (
        name in PERSONAL
        or bool(set(whole.split("_")) & _PERSONAL_WORDS)
        or whole.endswith(("first_name", "last_name", "full_name", "ip_address"))
    )


def guess_field(header: str) -> tuple[str, float] | None:
    """The field that a header names, with the confidence of the guess; None for a word that is not known.

    The contract's own field names are certain.
    """
    if header.strip() in FIELDS:
        return header.strip(), 1.0
    if header.strip().startswith("attributes.") and len(header.strip()) > len("attributes."):
        return header.strip(), 1.0
    name = normalised_name(header)
    if not name:
        return ("external_id", 0.8) if header.strip() in ("#", "№") else None
    if name in FIELDS:
        return name, 1.0
    if name in NAMES:
        return NAMES[name]
    if (nested := _nested(header.strip())) is not None:
        return nested
    return _by_words(header, name)


def is_title(header: str) -> bool:
    """Whether a header names the heading of a text."""
    return normalised_name(header) in _TITLES


def is_staff_words(header: str) -> bool:
    """Whether a header names what the company answered or noted: no words of a customer."""
    words = set(normalised_name(header).split("_"))
    return bool(words & _STAFF_WORDS and words & _REPLY_WORDS) or "resolution" in words


def is_open_question(header: str) -> bool:
    """Whether a header asks for words: "What should we improve?", "Pros", "Sonst noch etwas?"."""
    name = normalised_name(header)
    words = set(name.split("_"))
    if name in _OPEN_PARTS:
        return True
    phrase = len(words) >= 2 and bool(words & (_ASKING_WORDS | _TEXT_WORDS | _WHY_WORDS))
    return phrase and not is_staff_words(header) and not is_choice(header)


def scale_in(header: str) -> tuple[int, int] | None:
    """(lowest, highest) where a header tells the scale: "(1-10)", "1 = gar nicht, 5 = sehr", "von 0 bis 10"."""
    found = _SCALE.search(header)
    if found is None:
        return None
    low, high = int(found["low"] or found["first"]), int(found["high"] or found["last"])
    low, high = min(low, high), max(low, high)
    return (low, high) if low in (0, 1) and high in _TOPS else None


_TOPS = (3, 4, 5, 6, 7, 9, 10, 100)
_SCALE = re.compile(
    r"(?<![\d.,/])(?P<low>\d{1,3})\s*(?:-|–|—|\.\.+|…|bis|to|à|al?|hasta)\s*(?P<high>\d{1,3})(?![\d.,/%]|\s*(?:Uhr|days|min))"
    r"|(?<![\d.,/])(?P<first>\d{1,3})\s*[=:]\s*[^\d=]{2,80}?(?P<last>\d{1,3})\s*[=:]",
    re.IGNORECASE,
)


def in_words(header: str) -> bool:
    """Whether a header is a question in words: no code of one, no name of a field."""
    words = normalised_name(header).split("_")
    return (
        "?" in header or len(words) >= 5 or (len(words) >= 3 and bool(set(words) & (_ASKING_WORDS | _WHY_WORDS)))
    )


def is_choice(header: str) -> bool:
    """Whether a header says that its answers are picked from a list."""
    return _CHOICE.search(header) is not None


_CHOICE = re.compile(
    r"\b(?:pick|select|check|choose|tick|mark) (?:all|any|one|up to|the|two|three|an)\b|mehrfach|auswählen"
    r"|ankreuzen|bitte wähle|plusieurs (?:réponses|choix)|cochez|choisissez|sélectionnez|seleccion[ea]"
    r"|elija|marque",
    re.IGNORECASE,
)


def _by_words(header: str, name: str) -> tuple[str, float] | None:
    """The field of a header that is a phrase."""
    words = set(name.split("_"))
    if "nps" in words and not words & _GROUP_WORDS:
        return ("text", 0.7) if words & _WHY_WORDS else ("score_nps", 0.85)
    if _NPS_HEADER.search(header) and not words & (_WHY_WORDS | _GROUP_WORDS):
        return "score_nps", 0.7
    if len(words) > 1 and not words & (_WHY_WORDS | _GROUP_WORDS):
        if _CSAT_HEADER.search(header):
            return "score_csat", 0.65
        if words & _CES_WORDS:
            return "score_ces", 0.55
        if words & _RATING_WORDS:
            return "score", 0.55
    if words & _DATE_WORDS and words & _GIVEN_WORDS and not words & _OTHER_DATE_WORDS:
        return "occurred_at", 0.75
    is_when_or_who = name.endswith(("_on", "_at", "_by"))  # "commented on"
    if words & _TEXT_WORDS and not words & _NO_TEXT_WORDS and not is_when_or_who:
        return "text", 0.7
    if words & _SCORE_WORDS and len(words) <= 3 and not words & _COUNT_WORDS:
        return "score", 0.6
    return None


def _nested(header: str) -> tuple[str, float] | None:
    """The field of a name inside of objects ("data.score.value"); ids of other things are no id of the item."""
    _, dot, rest = header.partition(".")
    found = guess_field(rest) if dot and rest else None
    if found is None or (found[0] == "external_id" and rest != "external_id"):
        return None
    return found[0], round(0.9 * found[1], 2)
