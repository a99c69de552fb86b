"""All settings, in one frozen object; the only reader of the environment.

Every field is read from ``JOURNEYMAP_<FIELD>`` (upper case). ``journeymap settings`` prints them all.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "JOURNEYMAP_"
TEST_PREFIX = f"{PREFIX}TEST_"  # of our own tests, no settings
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("json", "text")


class SettingsError(ValueError):
    """A setting in the environment can't be used; the message names it and says what is expected."""


class Settings(BaseModel):
    """What an operator can change. Durations and sizes carry their unit in the name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Path = Field(
        default=Path("data/journeymap"),
        description="Folder for the SQLite database, import files, and secrets; "
        "`platform` means the user's data folder of this operating system.",
    )
    database_url: str = Field(
        default="",
        description="`sqlite:///path` or `postgresql://…`; empty means SQLite inside DATA_DIR.",
    )
    public_url: str = Field(
        default="http://localhost:8000",
        description="The address under which senders and people reach this service, without a final slash.",
    )
    embedded_worker: bool = Field(
        default=True,
        description="`serve` starts one worker process of its own; false when `work` runs apart.",
    )
    worker_nice: int = Field(
        default=5,
        ge=0,
        le=19,
        description="How far the worker stands back where processor time is short (as `nice`): whoever waits for "
        "an answer goes first.",
    )
    single_share: float = Field(
        default=1.0,
        ge=0.05,
        le=100,
        description="Where feedback arrives one by one faster than it can be tagged: so many parts of the "
        "worker's time for it, for every part that files and other work get.",
    )
    secret_key: str = Field(
        default="",
        description="Key for pseudonyms and stored secrets; empty means a random one kept in DATA_DIR/secret_key. "
        "All processes of one installation need the same.",
    )
    models_dir: Path | None = Field(
        default=None, description="Folder of the tagging artifact; empty means the one that is shipped."
    )
    fast_tier_from: int = Field(
        default=5_000,
        ge=0,
        description="Rows to tag from which an import is tagged by the fast tier at once and by the accurate one "
        "in the background; 0: never.",
    )
    retag_old: bool = Field(
        default=True,
        description="Items that an older model has tagged are tagged again in the background, newest first.",
    )
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: str = Field(default="json", description="`json` (one object a line) or `text`.")

    max_batch_items: int = Field(default=1000, ge=1, description="Items in one batch call.")
    max_json_bytes: int = Field(
        default=1024 * 1024, ge=1024, description="Body limit of single JSON calls, bytes."
    )
    max_batch_bytes: int = Field(
        default=5 * 1024 * 1024, ge=1024, description="Body limit of a batch call, bytes."
    )
    max_hook_bytes: int = Field(
        default=2 * 1024 * 1024, ge=1024, description="Body limit of a webhook delivery, bytes."
    )
    max_import_bytes: int = Field(default=2 * 1024**3, ge=1024, description="Largest import file, bytes as sent.")
    max_unpacked_bytes: int = Field(
        default=8 * 1024**3, ge=1024, description="Largest import file after unpacking, bytes."
    )
    max_text_chars: int = Field(default=100_000, ge=100, description="Longest text of one item, characters.")
    max_queue_jobs: int = Field(
        default=50_000, ge=1, description="Waiting jobs beyond which new feedback is answered 429."
    )
    min_free_disk_mb: int = Field(
        default=200, ge=0, description="Free disk in DATA_DIR below which new feedback is answered 503, MiB."
    )

    spool_max_mb: int = Field(
        default=1024,
        ge=0,
        description="Verified webhook deliveries kept in DATA_DIR/spool while the database is away, MiB; beyond "
        "it, and with 0 always, they are answered 503.",
    )
    max_waiting_deliveries: int = Field(
        default=1000, ge=1, description="Webhook deliveries at once in one process; more are answered 503."
    )

    private_targets: bool = Field(
        default=False,
        description="Outgoing webhooks may go to private and local addresses too; leave it off where admins of "
        "workspaces are not admins of the network.",
    )

    smtp_host: str = Field(
        default="", description="Mail server that the weekly digest is sent by; empty: no mail is sent."
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Port of the mail server.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="`starttls` (usually port 587), `tls` from the start (465), or `none` inside your network.",
    )
    smtp_user: str = Field(default="", description="User at the mail server; empty: none is asked for.")
    smtp_password: str = Field(default="", description="Password at the mail server.")
    smtp_ca_file: Path | None = Field(
        default=None, description="Certificates that the mail server's may be signed by; empty: the system's."
    )
    mail_from: str = Field(default="", description="Sender of mail, such as `Journeymap <cx@shop.example>`.")

    import_slice_rows: int = Field(default=2500, ge=1, le=5000, description="Rows stored in one transaction.")
    lease_seconds: float = Field(
        default=10.0, gt=0, description="A job whose worker is silent for this long is given to another."
    )
    max_attempts: int = Field(default=5, ge=1, description="Tries before a job is set aside as dead.")
    poll_seconds: float = Field(
        default=0.5,
        gt=0,
        description="How often an idle worker looks for jobs; of new ones it learns at once.",
    )

    retrain_after: int = Field(
        default=20,
        ge=0,
        description="New corrections after which a workspace learns from them by itself; 0: only when asked.",
    )

    redact_stored: bool = Field(
        default=False,
        description="Store customers' words without e-mail addresses, phone, card and account numbers, postal "
        "addresses and certain names; raw deliveries and uploaded files are then kept only until they are read.",
    )
    import_retention_days: int = Field(default=7, ge=0, description="Days that uploaded files are kept.")
    delivery_retention_days: int = Field(
        default=90,
        ge=0,
        description="Days that raw deliveries are kept; that one was there is known for seven days at least.",
    )
    idempotency_hours: int = Field(
        default=72, ge=1, description="Hours for which the first result of an Idempotency-Key is replayed."
    )
    session_hours: int = Field(default=12, ge=1, description="Hours until a browser session ends.")
    invite_hours: int = Field(default=48, ge=1, description="Hours until an unused sign-in link ends.")

    @field_validator("data_dir", mode="before")
    @classmethod
    def _platform_folder(cls, value: object) -> object:
        return Path(platformdirs.user_data_dir("journeymap")) if value == "platform" else value

    @field_validator("public_url")
    @classmethod
    def _no_final_slash(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
            raise ValueError("must start with sqlite:/// or postgresql://")
        try:
            make_url(value or "sqlite://")
        except (ArgumentError, ValueError) as error:
            # not the parser's own words: they may repeat the password
            raise ValueError("can't be read as an address, user:password@host:port/name") from error
        return value

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.upper() not in LOG_LEVELS:
            raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
        return value.upper()

    @field_validator("log_format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value not in LOG_FORMATS:
            raise ValueError(f"must be one of {', '.join(LOG_FORMATS)}")
        return value

    @property
    def sqlalchemy_url(self) -> str:
        """The database address with its driver named."""
        if not self.database_url:
            return f"sqlite:///{(self.data_dir / 'journeymap.db').as_posix()}"
        return self.database_url.replace("postgresql://", "postgresql+psycopg://", 1)

    @property
    def workspaces_dir(self) -> Path:
        """What workspaces keep in files: their learning, never shared between them."""
        return self.data_dir / "workspaces"

    @property
    def imports_dir(self) -> Path:
        """Where uploaded files wait for the worker."""
        return self.data_dir / "imports"

    @property
    def spool_dir(self) -> Path:
        """Where verified deliveries wait while the database is away, encrypted."""
        return self.data_dir / "spool"

    @property
    def endpoints_copy(self) -> Path:
        """The webhook addresses, encrypted, for a start while the database is away."""
        return self.data_dir / "endpoints.sealed"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read ``JOURNEYMAP_…`` variables; raises SettingsError naming the variable that can't be used."""
        found = os.environ if environment is None else environment
        given = {
            name: found[PREFIX + name.upper()]
            for name in cls.model_fields
            if found.get(PREFIX + name.upper(), "") != ""
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            lines = [f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
            raise SettingsError("; ".join(lines)) from error


def unknown_variables(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables that look like settings and are none, each with the setting whose name is nearest, else ""."""
    names = [PREFIX + name.upper() for name in Settings.model_fields]
    found = {}
    for variable in sorted(os.environ if environment is None else environment):
        if variable.upper().startswith(PREFIX) and variable not in names and not variable.startswith(TEST_PREFIX):
            near = difflib.get_close_matches(variable.upper(), names, n=1, cutoff=0.8)
            found[variable] = near[0] if near else ""
    return found
