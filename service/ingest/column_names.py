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
        "uuid guid nummer kennung vorgangsnummer ticketnummer identifiant identificador numero no nr",
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
    (0.95, "score_csat", "csat csat_score satisfaction_score"),
    (0.9, "score_csat", "satisfaction customer_satisfaction"),
    (0.85, "score_csat", "zufriedenheit satisfaccion zufriedenheitswert"),
    (0.95, "score_ces", "ces ces_score customer_effort_score effort_score"),
    (0.85, "score_ces", "effort aufwand"),
    (0.92, "score_stars", "stars star_rating rating_stars sterne etoiles estrellas"),
    (0.88, "score", "customer_rating user_rating customer_score"),
    (0.85, "score", "rating score ratings review_rating rating_value overall_rating punkte punktzahl wertung"),
    (0.85, "score", "sternebewertung puntuacion calificacion valoracion"),
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


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# a header that is a sentence ("Your comment on the delivery") holds one of these words, and none of the others
_TEXT_WORDS = _words(
    "comment comments feedback verbatim review kommentar freitext commentaire commentaires avis "
    "comentario comentarios opinion meinung remarks suggestions suggestion anmerkung"
)
_NO_TEXT_WORDS = _words(
    "id date time url link count number no nr type status state author name email length score "
    "rating title language lang channel source stars flag category sentiment tag tags topic"
)
_COUNT_WORDS = _words("count number total average avg id")
_SCORE_WORDS = _words("rating stars sterne score bewertung note punkte etoiles estrellas")
_DATE_WORDS = _words("date datetime timestamp datum fecha")
_GIVEN_WORDS = _words(
    "submit submitted submission review created creation response recorded posted completed published feedback "
    "comment survey answer end"
)
_OTHER_DATE_WORDS = _words("reply update updated birth due order purchase delivery last millis start")
_NPS_HEADER = re.compile(r"recommend|weiterempfehl|recommand|recomend", re.IGNORECASE)

# never kept as an attribute: they name a person
PERSONAL = _words(
    "email e_mail mail email_address author_email customer_email user_email emailadresse e_mail_adresse "
    "adresse_e_mail adresse_email correo correo_electronico courriel name full_name first_name last_name "
    "firstname lastname display_name vorname nachname nombre nom prenom apellido phone telephone "
    "phone_number mobile telefon telefonnummer handy telefono address street adresse strasse direccion "
    "ip ip_address customer_name user_name username author reviewer respondent_name requester customer "
    "user kunde client utilisateur cliente usuario birthday birthdate date_of_birth geburtsdatum iban "
    "ssn passport"
)

_PERSONAL_WORDS = _words("email phone telefon iban ssn latitude longitude surname firstname lastname birthday")

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
    if name in FIELDS:
        return name, 1.0
    if name in NAMES:
        return NAMES[name]
    if (nested := _nested(header.strip())) is not None:
        return nested
    return _by_words(header, name)


def _by_words(header: str, name: str) -> tuple[str, float] | None:
    """The field of a header that is a phrase."""
    words = set(name.split("_"))
    if _NPS_HEADER.search(header) and len(words) > 2:
        return "score_nps", 0.7
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
