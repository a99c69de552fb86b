"""Every table, in the order in which data flows through them.

A workspace stands on every row. Tables do not validate (SQLModel's ``table=True`` never does): rows are built
by keyword from API models that did. Labels are strings of the codebook, not database enums.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, Date, ForeignKey, Index, MetaData, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from service.store.columns import BigId, Blob, Json, JsonOrNull, UtcDateTime, now

# set before the first class, so that every constraint has a name that a migration can drop
SQLModel.metadata.naming_convention = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: MetaData = SQLModel.metadata


def _id() -> Any:
    return Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))


def _workspace() -> Any:
    return Field(sa_column=Column(BigId, ForeignKey("workspace.id", ondelete="CASCADE"), nullable=False))


def _ref(target: str, *, nullable: bool = False, ondelete: str = "CASCADE", index: bool = False) -> Any:
    column = Column(BigId, ForeignKey(target, ondelete=ondelete), nullable=nullable, index=index)
    return Field(default=None, sa_column=column) if nullable else Field(sa_column=column)


def _time(*, nullable: bool = False) -> Any:
    if nullable:
        return Field(default=None, sa_column=Column(UtcDateTime, nullable=True))
    return Field(default_factory=now, sa_column=Column(UtcDateTime, nullable=False))


def _json(*, nullable: bool = False) -> Any:
    if nullable:
        return Field(default=None, sa_column=Column(Json, nullable=True))
    return Field(default_factory=dict, sa_column=Column(Json, nullable=False))


# --- who


class Workspace(SQLModel, table=True):
    """One company's (or team's) feedback, map and people; nothing crosses its border."""

    id: int | None = _id()
    name: str = Field(unique=True)  # slug: "default", "sample"
    timezone: str = "UTC"  # IANA name; days of the map are days here; changing it rebuilds the rollups
    journey_model: str = "7-stage"  # id of the one that the map is shown in unless another is asked for
    digest_weekday: int = 0  # when the weekly digest is made: 0 is Monday; -1 never
    digest_hour: int = 8  # of that day, in the workspace's zone
    created_at: datetime = _time()


class Person(SQLModel, table=True):
    """Someone who works with the map. Roles: viewer, analyst, lead, admin."""

    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    name: str
    role: str
    created_at: datetime = _time()
    disabled_at: datetime | None = _time(nullable=True)


class SignInLink(SQLModel, table=True):
    """A link that signs one person in, once."""

    __tablename__ = "sign_in_link"

    id: int | None = _id()
    workspace_id: int = _workspace()
    person_id: int = _ref("person.id")
    token_hash: str = Field(unique=True)  # sha256 hex; the token itself is shown once
    created_at: datetime = _time()
    expires_at: datetime = _time()
    used_at: datetime | None = _time(nullable=True)


class BrowserSession(SQLModel, table=True):
    """A signed-in browser."""

    __tablename__ = "browser_session"

    id: int | None = _id()
    workspace_id: int = _workspace()
    person_id: int = _ref("person.id")
    token_hash: str = Field(unique=True)  # sha256 hex of the cookie
    csrf_token: str  # forms carry it; it is worth nothing without the cookie
    created_at: datetime = _time()
    expires_at: datetime = _time()


class ApiKey(SQLModel, table=True):
    """A key of a program. Scopes: ingest, read, review, admin."""

    __tablename__ = "api_key"

    id: int | None = _id()
    workspace_id: int = _workspace()
    name: str
    key_hash: str = Field(unique=True)  # sha256 hex; keys are random, so a slow hash would add nothing
    scopes: list[str] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    created_at: datetime = _time()
    revoked_at: datetime | None = _time(nullable=True)


class AuditEvent(SQLModel, table=True):
    """Who changed what, when. Append-only; never customers' words."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_workspace_id_at", "workspace_id", "at"),
        Index("ix_audit_event_workspace_id_target", "workspace_id", "target"),  # the history of one thing
    )

    id: int | None = _id()
    workspace_id: int = _workspace()
    at: datetime = _time()
    actor: str  # "key:<name>", "person:<name>" or "command"
    action: str  # "key.create", "respondent.erase", …
    target: str
    detail: dict[str, Any] = _json()


# --- 1. feedback comes in


class IdempotencyKey(SQLModel, table=True):
    """The first result of a POST with an Idempotency-Key, replayed on repetition."""

    __tablename__ = "idempotency_key"
    __table_args__ = (UniqueConstraint("workspace_id", "route", "key"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    route: str  # method and path: the same key on another route is another key
    key: str
    body_hash: str  # sha256 hex of the body; another body under the same key is an error
    owner: str  # the process that works on it: "still running" ends with that process
    response_status: int | None = None  # empty while running
    response_headers: dict[str, Any] | None = _json(nullable=True)
    response_body: bytes | None = Field(default=None, sa_column=Column(Blob, nullable=True))
    created_at: datetime = _time()
    expires_at: datetime = _time()


class Endpoint(SQLModel, table=True):
    """A webhook address: it fixes workspace, sender, scheme and secrets before anything is parsed."""

    id: int | None = _id()
    workspace_id: int = _workspace()
    public_id: str = Field(unique=True)  # 128 random bits: for unsigned senders the address is the credential
    sender: str
    name: str
    source: str  # marks every item of this endpoint
    secrets: str = Field(sa_column=Column(Text, nullable=False))  # JSON, encrypted with the installation's key
    options: dict[str, Any] = _json()
    created_at: datetime = _time()
    removed_at: datetime | None = _time(nullable=True)  # answered 410


class Delivery(SQLModel, table=True):
    """One inbound call as received, stored before anything is understood."""

    __table_args__ = (
        UniqueConstraint("endpoint_id", "external_id"),
        Index("ix_delivery_workspace_id_received_at", "workspace_id", "received_at"),
    )

    id: int | None = _id()
    workspace_id: int = _workspace()
    endpoint_id: int = _ref("endpoint.id")
    external_id: str  # the sender's delivery id, else a hash of what identifies the call
    received_at: datetime = _time()
    headers: dict[str, Any] = _json()
    content_type: str = ""
    body: bytes = Field(sa_column=Column(Blob, nullable=False))
    state: str  # parsed, ignored (nothing of a customer in it), waiting (for the API), unparsed (can be replayed)
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))  # why it is in this state
    results: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    repeats: int = 0  # how often the sender sent it again


class EndpointApi(SQLModel, table=True):
    """How we ask a sender's API for an endpoint: with what, how fast, how far we are."""

    __tablename__ = "endpoint_api"

    id: int | None = _id()
    workspace_id: int = _workspace()
    endpoint_id: int = Field(
        sa_column=Column(BigId, ForeignKey("endpoint.id", ondelete="CASCADE"), nullable=False, unique=True)
    )
    credentials: str | None = Field(default=None, sa_column=Column(Text, nullable=True))  # JSON, encrypted
    trouble: str | None = Field(default=None, sa_column=Column(Text, nullable=True))  # why asking fails now
    failures: int = 0  # polls in a row that failed
    next_request_at: datetime | None = _time(nullable=True)  # the rate, shared by all processes
    next_poll_at: datetime | None = _time(nullable=True)
    cursor: dict[str, Any] = _json()  # the poller's: where the next page begins


class WantedFetch(SQLModel, table=True):
    """What a delivery only names and the sender's API is asked for; the same may be wanted by several."""

    __tablename__ = "wanted_fetch"
    __table_args__ = (
        Index("ix_wanted_fetch_endpoint_id_key", "endpoint_id", "key"),
        Index("ix_wanted_fetch_delivery_id", "delivery_id"),
    )

    id: int | None = _id()
    workspace_id: int = _workspace()
    endpoint_id: int = _ref("endpoint.id")
    delivery_id: int = _ref("delivery.id")
    key: str  # sha256 hex of what and ids
    what: str  # in the sender's words: "ticket"
    ids: dict[str, Any] = _json()
    state: str = "waiting"  # waiting, done, gone (not there any more), failed (given up)
    detail: str = Field(default="", sa_column=Column(Text, nullable=False))  # why it still waits, or failed
    created_at: datetime = _time()


class FileImport(SQLModel, table=True):
    """An uploaded file and how far it is worked off."""

    __tablename__ = "file_import"
    __table_args__ = (Index("ix_file_import_workspace_id_created_at", "workspace_id", "created_at"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    filename: str
    path: str  # below DATA_DIR/imports; empty once retention removed the file
    size_bytes: int = Field(default=0, sa_column=Column(BigId, nullable=False))
    sha256: str
    source: str
    channel: str
    options: dict[str, Any] = _json()  # preset, mapping, timezone, day_first, encoding, delimiter, sheet, on_error
    layout: dict[str, Any] = _json()  # what was found: format, encoding, delimiter, columns, mapping
    state: str  # queued, needs_input, running, succeeded, partially_succeeded, failed, canceled
    questions: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    rows_total: int | None = None  # known only at the end of the file; progress is by bytes before
    rows_read: int = 0  # every slice's transaction moves it: a new worker goes on behind this row
    rows_accepted: int = 0
    rows_updated: int = 0
    rows_duplicate: int = 0
    rows_rejected: int = 0
    rows_empty: int = 0
    items: int = 0  # items stored or updated
    to_tag: int = 0  # of these, with a text for the pipeline
    tagged: int = 0  # of these, looked at by the pipeline
    read_done: bool = False
    read_fraction: float = 0.0  # of the file's bytes
    error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    created_at: datetime = _time()
    finished_at: datetime | None = _time(nullable=True)


class ImportReject(SQLModel, table=True):
    """A row that could not be taken, kept whole."""

    __tablename__ = "import_reject"
    __table_args__ = (UniqueConstraint("import_id", "row"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    import_id: int = _ref("file_import.id")
    row: int  # 1-based data row of the file
    code: str
    detail: str = Field(sa_column=Column(Text, nullable=False))
    columns: list[Any] = Field(default_factory=list, sa_column=Column(Json, nullable=False))  # as in the file


class MetricValue(SQLModel, table=True):
    """One day's value of a series from elsewhere (orders, visits, conversion …)."""

    __tablename__ = "metric_value"
    __table_args__ = (
        UniqueConstraint("workspace_id", "key"),
        Index("ix_metric_value_workspace_id_name_day", "workspace_id", "name", "day"),
    )

    id: int | None = _id()
    workspace_id: int = _workspace()
    key: str  # sha256 hex of name, stage, day and attributes
    name: str
    stage: str | None = None  # of the codebook
    day: date = Field(sa_column=Column(Date, nullable=False))
    value: float
    denominator: float | None = None  # the value is a part of it, or per it
    attributes: dict[str, Any] = _json()
    updated_at: datetime = _time()


# --- 2. kept


class FeedbackItem(SQLModel, table=True):
    """What one respondent said at one time, with the labels that are shown now.

    The shown labels are the model's under the corrections; they can be rebuilt from classification and
    correction.
    """

    __tablename__ = "feedback_item"
    __table_args__ = (
        UniqueConstraint("workspace_id", "source", "identity"),
        Index("ix_feedback_item_workspace_id_at", "workspace_id", "at"),
        Index("ix_feedback_item_workspace_id_stage_topic_at", "workspace_id", "stage", "topic", "at"),
        Index("ix_feedback_item_workspace_id_respondent", "workspace_id", "respondent"),
        # few people are merged into others
        Index(
            "ix_feedback_item_respondent_told",
            "workspace_id",
            "respondent_told",
            sqlite_where=text("respondent_told IS NOT NULL"),
            postgresql_where=text("respondent_told IS NOT NULL"),
        ),
        # whole for the question which models labelled an import's items
        Index("ix_feedback_item_import_id", "import_id", "workspace_id", "state", "model"),
        # senders erase whole conversations
        Index(
            "ix_feedback_item_conversation",
            "workspace_id",
            "source",
            "conversation_id",
            sqlite_where=text("conversation_id IS NOT NULL"),
            postgresql_where=text("conversation_id IS NOT NULL"),
        ),
        # answers beside a response's first one: what a survey tells no more is taken out
        Index(
            "ix_feedback_item_further_answer",
            "workspace_id",
            "source",
            "response_id",
            sqlite_where=text("external_id <> response_id"),
            postgresql_where=text("external_id <> response_id"),
        ),
        # few items are followed up
        Index(
            "ix_feedback_item_follow_up",
            "workspace_id",
            "follow_up",
            "at",
            sqlite_where=text("follow_up IS NOT NULL"),
            postgresql_where=text("follow_up IS NOT NULL"),
        ),
    )

    id: int | None = _id()
    workspace_id: int = _workspace()
    source: str
    identity: str  # "id:<external_id>" or "hash:<sha256>"
    external_id: str | None = None
    channel: str
    text: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    text_version: int = 1  # counts up with every new text
    question: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    translation: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    declared_language: str | None = None
    declared_stage: str | None = None  # what the sender says, kept beside what the model says
    declared_touchpoint: str | None = None
    occurred_at: datetime | None = _time(nullable=True)
    received_at: datetime = _time()
    at: datetime = _time()  # occurred_at, else received_at: the time that periods go by
    sender_updated_at: datetime | None = _time(nullable=True)
    # when parts of it were told at other times: see service/ingest/fold.py; null in the usual case
    field_times: dict[str, Any] | None = Field(default=None, sa_column=Column(JsonOrNull, nullable=True))
    respondent: str | None = None  # pseudonym: keyed hash of what the sender sent, never the thing itself
    respondent_told: str | None = None  # the sender's own word, where that person was merged into `respondent`
    response_id: str | None = None
    conversation_id: str | None = None
    url: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    value: float | None = None  # money
    score_kind: str | None = None  # nps, csat, ces, stars
    score_value: float | None = None
    score_min: float | None = None
    score_max: float | None = None
    attributes: dict[str, Any] = _json()  # string to string, at most 20
    delivery_id: int | None = _ref("delivery.id", nullable=True, ondelete="SET NULL")
    import_id: int | None = _ref("file_import.id", nullable=True, ondelete="SET NULL")

    state: str = "pending"  # pending, tagged, no_text
    model: str | None = None  # model version of the shown labels
    language: str | None = None  # detected
    unsure_reason: str | None = None  # low_confidence, unsupported_language, empty, meaningless
    stage: str | None = None
    stage2: str | None = None
    emotion: str | None = None
    emotion2: str | None = None
    sentiment: str | None = None
    topic: str | None = None
    touchpoint: str | None = None
    corrected: bool = False  # a person's word stands on at least one label
    classified_at: datetime | None = _time(nullable=True)

    follow_up: str | None = None  # needs_answer, answered, dismissed
    follow_up_owner: str | None = None
    follow_up_note: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class ItemVersion(SQLModel, table=True):
    """An earlier text of an item; the newest stands on the item."""

    __tablename__ = "item_version"
    __table_args__ = (UniqueConstraint("item_id", "text_version"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    item_id: int = _ref("feedback_item.id")
    text_version: int
    text: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    replaced_at: datetime = _time()


class ErasureMark(SQLModel, table=True):
    """A keyed hash that keeps an erased person, conversation or item from coming back with a re-delivery."""

    __tablename__ = "erasure_mark"
    __table_args__ = (UniqueConstraint("workspace_id", "kind", "key_hash"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    kind: str  # respondent, conversation, item
    key_hash: str
    created_at: datetime = _time()
    # withdrawn, not erased: only what the sender told up to then stays away; null stands for all of it, for good
    up_to: datetime | None = _time(nullable=True)


class MergedPerson(SQLModel, table=True):
    """Two entries of a sender's that are one person: what either of them said is the survivor's."""

    __tablename__ = "merged_person"
    __table_args__ = (
        UniqueConstraint("workspace_id", "source", "gone", "survivor"),
        Index("ix_merged_person_survivor", "workspace_id", "survivor"),
    )

    id: int | None = _id()
    workspace_id: int = _workspace()
    source: str
    gone: str  # pseudonym
    survivor: str  # pseudonym
    gone_key: str  # what the sender calls the one that is gone, encrypted: to be found with the survivor's erasure
    created_at: datetime = _time()


class BlankResponse(SQLModel, table=True):
    """When a survey response was told without an item of its own: an older delivery of it brings nothing back."""

    __tablename__ = "blank_response"
    __table_args__ = (UniqueConstraint("workspace_id", "key_hash"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    key_hash: str  # keyed hash of source and response
    told_at: datetime = _time()  # by the sender's clock


class Job(SQLModel, table=True):
    """Work that follows from rows, written in the transaction of those rows. A finished job's row is deleted."""

    __table_args__ = (
        Index("ix_job_state_priority_run_after", "state", "priority", "run_after", "id"),
        Index(
            "uq_job_dedupe_key_queued",
            "kind",
            "dedupe_key",
            unique=True,
            sqlite_where=text("state = 'queued' AND dedupe_key IS NOT NULL"),
            postgresql_where=text("state = 'queued' AND dedupe_key IS NOT NULL"),
        ),
    )

    id: int | None = _id()
    workspace_id: int = _workspace()
    kind: str
    payload: dict[str, Any] = _json()
    priority: int  # lower first: see queue.Priority
    state: str = "queued"  # queued, running, dead
    dedupe_key: str | None = None  # at most one queued job of a kind has it
    attempts: int = 0
    crashes: int = 0  # how often its worker fell silent; too often, and it is set aside as the likely cause
    run_after: datetime = _time()
    lease_token: str | None = None  # whoever holds it may finish the job, nobody else
    lease_until: datetime | None = _time(nullable=True)
    worker: str | None = None
    error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    created_at: datetime = _time()


# --- 3. text becomes labels


class Segment(SQLModel, table=True):
    """A part of an item's text that holds one opinion, with the labels that are shown now."""

    __table_args__ = (
        UniqueConstraint("item_id", "position"),
        # whole for the questions who belongs to which theme, and what no theme was looked for yet
        Index("ix_segment_theme", "workspace_id", "theme", "sentiment", "item_id"),
        Index(
            "ix_segment_echo",
            "workspace_id",
            "echo",
            "item_id",
            sqlite_where=text("echo IS NOT NULL"),
            postgresql_where=text("echo IS NOT NULL"),
        ),
    )

    id: int | None = _id()
    workspace_id: int = _workspace()
    item_id: int = _ref("feedback_item.id")
    position: int  # 0-based
    start: int  # characters into the item's text
    end: int
    stage: str
    emotion: str
    sentiment: str
    topic: str
    touchpoint: str
    corrected: bool = False
    # the theme it belongs to; 0: none fits; empty: not looked at yet. New labels are a new row, so they empty it
    theme: int | None = Field(default=None, sa_column=Column(BigId, nullable=True))
    # a number that copies of one longer text share
    echo: int | None = Field(default=None, sa_column=Column(BigId, nullable=True))


class Classification(SQLModel, table=True):
    """What one model version said of one text version, whole; append-only (active and previous model kept)."""

    __table_args__ = (UniqueConstraint("item_id", "text_version", "model"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    item_id: int = _ref("feedback_item.id")
    text_version: int
    model: str
    tier: str
    analysis: dict[str, Any] = _json()  # Analysis of the public contract
    classified_at: datetime = _time()


class MeaningBlock(SQLModel, table=True):
    """Vectors of parts of texts, many in one row, for the search by meaning (see meaning_blocks.py).

    They can be made anew from the texts, so that backups leave them out.
    """

    __tablename__ = "meaning_block"
    __table_args__ = (Index("ix_meaning_block_workspace_id_vectors", "workspace_id", "vectors"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    vectors: str  # which model's; those of two models must not be compared
    parts: int
    stamp: int = Field(sa_column=Column(BigId, nullable=False))  # drawn at every change: readers see it by this
    places: bytes = Field(sa_column=Column(Blob, nullable=False))  # item, text version, start, end of each: int64
    content: bytes = Field(sa_column=Column(Blob, nullable=False))  # int8, a row a part


class ItemMeaning(SQLModel, table=True):
    """Where the vectors of an item's text lie; no row: they are yet to be made."""

    __tablename__ = "item_meaning"

    item_id: int = Field(
        sa_column=Column(
            BigId, ForeignKey("feedback_item.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
        )
    )
    workspace_id: int = _workspace()
    block_id: int | None = _ref("meaning_block.id", nullable=True, index=True)  # empty: nothing to be read in it
    text_version: int
    vectors: str


class Correction(SQLModel, table=True):
    """A person's labels for an item or one span of its text; the newest that is not undone is shown."""

    __table_args__ = (Index("ix_correction_item_id", "item_id"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    item_id: int = _ref("feedback_item.id")
    text_version: int
    span_start: int | None = None  # empty: the item as a whole
    span_end: int | None = None
    labels: dict[str, Any] = _json()  # field to label; a label equal to the model's is a confirmation
    author: str
    created_at: datetime = _time()
    undone_at: datetime | None = _time(nullable=True)


class AuditDraw(SQLModel, table=True):
    """An item that chance chose for measuring the model, and how its labels compared with a person's."""

    __tablename__ = "audit_draw"
    __table_args__ = (
        UniqueConstraint("item_id", "text_version"),
        Index("ix_audit_draw_workspace_id", "workspace_id"),
    )

    id: int | None = _id()
    workspace_id: int = _workspace()
    item_id: int = _ref("feedback_item.id")
    text_version: int  # a later text lets the draw lapse: it could be drawn anew
    rate: float  # the share of all labelled items that was drawn by then
    drawn_at: datetime = _time()
    decided_at: datetime | None = _time(nullable=True)
    author: str | None = None
    correction_id: int | None = _ref("correction.id", nullable=True, ondelete="SET NULL")
    model: str | None = None  # whose labels were compared
    sure: bool | None = None  # whether the model stood by them
    agreed: dict[str, Any] | None = _json(nullable=True)  # field to whether the model said what the person said
    twice: bool = False  # chance chose it for a second person too, who does not see what the first one said
    second_author: str | None = None
    second_correction_id: int | None = _ref("correction.id", nullable=True, ondelete="SET NULL")


class SavedView(SQLModel, table=True):
    """A selection of feedback that people come back to, by name, for everyone in the workspace."""

    __tablename__ = "saved_view"
    __table_args__ = (UniqueConstraint("workspace_id", "name"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    name: str
    address: str = Field(sa_column=Column(Text, nullable=False))  # the filters, as in the address of the list
    author: str
    created_at: datetime = _time()


# --- 4. labels become numbers


class RollupBlock(SQLModel, table=True):
    """A block of counted items in columns (see rollups.py): appended as deltas, merged by compaction."""

    __tablename__ = "rollup_block"
    __table_args__ = (Index("ix_rollup_block_workspace_id_level", "workspace_id", "level"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    level: int = 0  # 0: as appended; n: merged n times
    records: int
    first_day: date = Field(sa_column=Column(Date, nullable=False))
    last_day: date = Field(sa_column=Column(Date, nullable=False))
    payload: bytes = Field(sa_column=Column(Blob, nullable=False))
    created_at: datetime = _time()


class Theme(SQLModel, table=True):
    """A recurring group found in the texts of one stage and topic; its members name it (`segment.theme`).

    A row is never deleted, so that an id never comes to mean another group; an ended one
    keeps nothing but its end.
    """

    __table_args__ = (Index("ix_theme_workspace_id_stage_topic", "workspace_id", "stage", "topic"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    stage: str
    topic: str
    side: str  # trouble (negative and neutral words), praise (positive ones)
    name: str = Field(sa_column=Column(Text, nullable=False))  # empty: no name yet
    named_by: str | None = None  # who renamed it: it is then never named anew
    words_name: str = Field(default="", sa_column=Column(Text, nullable=False))  # what a person's name stands for
    state: str = "active"  # active, dismissed, merged, gone
    merged_into: int | None = Field(default=None, sa_column=Column(BigId, nullable=True))
    pinned: bool = False  # a person decided on it: grouping anew leaves it and its members alone
    stale: bool = False  # words that it was made of are gone: name and centre are to be made anew
    parts_wanted: int | None = None  # a person wants it split into so many
    vectors: str = ""  # which model's vectors the centre is made of
    centre: bytes = Field(default=b"", sa_column=Column(Blob, nullable=False))  # half-precision numbers
    cell_size: int = 0  # segments of stage, topic and side when they were grouped last
    # playbook entries that its texts mean, nearest first, by which playbook and model, at which size: no words
    fits: dict[str, Any] | None = Field(default=None, sa_column=Column(JsonOrNull, nullable=True))
    history: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    created_at: datetime = _time()
    updated_at: datetime = _time()


class JourneyModel(SQLModel, table=True):
    """A user's own projection of the codebook's stages."""

    __tablename__ = "journey_model"
    __table_args__ = (UniqueConstraint("workspace_id", "slug"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    slug: str
    name: str
    stages: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    created_at: datetime = _time()
    updated_at: datetime = _time()


# --- 5. numbers become proposed adaptations


class Suggestion(SQLModel, table=True):
    """A proposed adaptation of the map; its numbers are computed from the rollups, its decisions stand beside."""

    __table_args__ = (UniqueConstraint("workspace_id", "key"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    key: str  # what it is about, e.g. "purchase/ease_of_use": evidence grows, the suggestion stays the same
    stage: str
    topic: str
    playbook_entry: str
    adaptation: str = Field(sa_column=Column(Text, nullable=False))  # the playbook's, or as edited
    status: str = "suggested"  # see decisions.STATUSES
    owner: str | None = None
    snoozed_until: datetime | None = _time(nullable=True)
    due: date | None = Field(default=None, sa_column=Column(Date, nullable=True))
    ticket: str | None = Field(default=None, sa_column=Column(Text, nullable=True))  # address in another system
    created_at: datetime = _time()
    updated_at: datetime = _time()


class SuggestionDecision(SQLModel, table=True):
    """Who decided what on a suggestion, when and why. Append-only."""

    __tablename__ = "suggestion_decision"
    __table_args__ = (Index("ix_suggestion_decision_suggestion_id", "suggestion_id"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    suggestion_id: int = _ref("suggestion.id")
    at: datetime = _time()
    actor: str
    decision: str
    old: dict[str, Any] = _json()  # status, adaptation, owner before
    new: dict[str, Any] = _json()  # and after
    reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    effective_at: datetime | None = _time(nullable=True)
    numbers: dict[str, Any] = _json()  # size and trend as they stood when decided
    batch: str | None = None  # decisions that were taken at once share it, and are taken back by it


class Persona(SQLModel, table=True):
    """Whose map it is: a name, and the attributes of the feedback that is theirs."""

    __table_args__ = (UniqueConstraint("workspace_id", "public_id"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    public_id: str
    name: str
    attributes: dict[str, Any] = _json()  # name to values
    description: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    created_at: datetime = _time()
    updated_at: datetime = _time()


class MapVersion(SQLModel, table=True):
    """A version of the map: what people wrote on it and which changes stood on it. Append-only.

    Nothing of any customer but the ids of feedback.
    """

    __tablename__ = "map_version"
    __table_args__ = (Index("ix_map_version_workspace_id_persona", "workspace_id", "persona", "id"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    persona: str  # its public id; empty: everybody
    at: datetime = _time()
    actor: str
    kind: str  # document, restore, import, or the decision that made it: accept, edit, roll_back
    decision_id: int | None = _ref("suggestion_decision.id", nullable=True)
    document: dict[str, Any] = _json()
    changes: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    evidence: list[dict[str, Any]] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class SuggestionWeights(SQLModel, table=True):
    """How a workspace weighs the parts of a suggestion's rank."""

    __tablename__ = "suggestion_weights"
    __table_args__ = (UniqueConstraint("workspace_id"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    weights: dict[str, Any] = _json()  # name to number
    actor: str
    updated_at: datetime = _time()


class OwnPlaybookEntry(SQLModel, table=True):
    """A workspace's own entry of the playbook, or its wording of a shipped one (then under the shipped id)."""

    __tablename__ = "own_playbook_entry"
    __table_args__ = (UniqueConstraint("workspace_id", "public_id"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    public_id: str
    entry: dict[str, Any] = _json()  # stage, topics, pain, patterns, adaptation, effort, metric, owner, test, idea
    actor: str  # who wrote it last
    created_at: datetime = _time()
    updated_at: datetime = _time()


# --- 8. others hear of it


class Subscription(SQLModel, table=True):
    """An address that hears of what is new, signed by Standard Webhooks."""

    id: int | None = _id()
    workspace_id: int = _workspace()
    public_id: str = Field(unique=True)
    name: str
    url: str = Field(sa_column=Column(Text, nullable=False))  # encrypted: some addresses are credentials
    secret: str = Field(sa_column=Column(Text, nullable=False))  # encrypted
    form: str  # standard, slack
    events: list[str] = Field(default_factory=list, sa_column=Column(Json, nullable=False))
    known: list[str] = Field(
        default_factory=list, sa_column=Column(Json, nullable=False)
    )  # keys of before it began
    created_at: datetime = _time()
    failing_since: datetime | None = _time(nullable=True)
    disabled_at: datetime | None = _time(nullable=True)
    trouble: str | None = None  # why it was disabled, or what failed last
    snoozed_until: datetime | None = _time(nullable=True)  # nothing is told before; then what still holds
    cooldown_hours: int = 0  # between two messages of the same event at least


class Notice(SQLModel, table=True):
    """One thing told to one subscription, with how telling it went."""

    __table_args__ = (UniqueConstraint("subscription_id", "key"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    subscription_id: int = _ref("subscription.id")
    key: str  # what it is about: the same thing is told once
    event: str
    payload: dict[str, Any] = _json()  # numbers and our own words, no customer's
    state: str  # pending, delivered, failed
    attempts: int = 0
    status: int | None = None  # of the last answer
    detail: str | None = None
    created_at: datetime = _time()
    delivered_at: datetime | None = _time(nullable=True)
    acknowledged_at: datetime | None = _time(nullable=True)  # seen: a change that goes on is not told here again
    acknowledged_by: str | None = None


# --- 7. is it still right?


class Digest(SQLModel, table=True):
    """What was worth telling in a week: one a workspace and week, whichever worker writes it first."""

    __table_args__ = (UniqueConstraint("workspace_id", "week"),)

    id: int | None = _id()
    workspace_id: int = _workspace()
    week: date = Field(sa_column=Column(Date, nullable=False))  # the Monday of the week in which it was made
    content: dict[str, Any] = _json()  # numbers and our own words, no customer's; empty: nothing to say
    told: list[str] = Field(default_factory=list, sa_column=Column(Json, nullable=False))  # keys, for the cooldown
    created_at: datetime = _time()


class ProcessBeat(SQLModel, table=True):
    """A running worker's sign of life; readiness asks for a fresh one."""

    __tablename__ = "process_beat"

    name: str = Field(primary_key=True)  # host, pid and a random part
    kind: str  # worker, asking (its second thread, which waits for other servers)
    started_at: datetime = _time()
    beat_at: datetime = _time()
    state: dict[str, Any] = _json()
