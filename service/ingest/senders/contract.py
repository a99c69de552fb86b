"""What a sender is to us: pure functions on bytes and dicts, and what it takes to ask its API.

One file per sender makes one `Sender`; `__init__` lists them. Adapters know neither database nor network: who
runs them stores the call first, checks and stores what they return, and does the asking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from service.ingest.incoming import Call, Channel, Parsed, Wanted
from service.ingest.senders.signatures import SenderOptions

Kind = Literal["support", "survey", "review", "any"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the sender reads back once its call is stored; by default a small JSON object."""

    body: bytes = b'{"ok":true}'
    media_type: str = "application/json"
    status: int = 200


def any_secret(_secret: str) -> None:
    """For senders whose secrets have no form that could be checked."""


@dataclass(frozen=True, slots=True)
class Sender:
    """One kind of sender."""

    name: str  # as in its address: "jira-sm"
    title: str  # as people call it: "Jira Service Management"
    kind: Kind
    default_channel: Channel  # of items that name none
    verify: Callable[[Call, Sequence[str], Any, datetime], None]  # raises BadSignature
    parse: Callable[[Call, Any], Parsed]  # raises CannotParse
    options: type[SenderOptions] = SenderOptions
    delivery_id: Callable[[Call], str | None] = lambda _call: None  # None: the body's hash stands for it
    check_secret: Callable[[str], None] = any_secret  # raises ValueError
    new_secret: Callable[[], str] | None = None  # None: the sender makes the secret, the user brings it
    secret_needed: bool = True  # False: the address alone may be the credential
    methods: frozenset[str] = frozenset({"POST"})  # by which it delivers
    max_body_bytes: int | None = None  # where its calls are longer than the setting MAX_HOOK_BYTES allows
    reply: Callable[[Call, Any], Reply | None] | None = None  # None: `Reply()`; asked after the call is stored
    # the headers that answer OPTIONS, by those it came with (lower case); None: there is no such handshake
    handshake: Callable[[Mapping[str, str]], dict[str, str]] | None = None
    fetcher: Fetcher | None = None  # for thin deliveries, which name what happened and not what was said
    poller: Poller | None = None  # for what is never pushed, or gets lost


class Credentials(BaseModel):
    """What the sender's API wants to see; stored encrypted, never shown again. Fields in a subclass."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Fetched:
    """One answer of the sender's API, taken like a delivery: stored whole, parsed as `Call.fetched` = `what`."""

    what: str
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A 2xx answer."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


class Http(Protocol):
    """The network as fetchers and pollers see it: one request within the sender's rate.

    Everything but a 2xx is raised: `NotThere` (404, 410), `Refused` (other 4xx), `TryLater` (408, 425, 429, 5xx,
    no connection, no answer in time). Redirects are not followed.
    """

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> HttpAnswer:
        """Send it and wait."""
        ...


class NotThere(Exception):
    """What was asked for is gone, or never was."""


class Refused(Exception):
    """The API does not let us: wrong or expired credentials, or a request it does not take."""


class TryLater(Exception):
    """Nothing is wrong with the request; after how many seconds to try again, where the API said so."""

    def __init__(self, detail: str, *, after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.after_seconds = after_seconds


@dataclass(frozen=True, slots=True)
class Fetcher:
    """How to get what a thin delivery only names.

    `fetch` asks for one `Wanted`; what it returns is taken in that order. `NotThere` means there is nothing to
    take any more.
    """

    credentials: type[Credentials]
    fetch: Callable[[Http, Any, Any, Wanted], list[Fetched]]
    requests_per_minute: float


@dataclass(frozen=True, slots=True)
class Polled:
    """One page and where to go on; `cursor` is JSON and is kept in the transaction that takes the page."""

    page: Fetched | None
    cursor: dict[str, Any] = field(default_factory=dict)
    more: bool = False  # ask again at once


@dataclass(frozen=True, slots=True)
class Poller:
    """How to ask regularly. `poll` gets the last cursor ({} at first) and returns one page after it."""

    credentials: type[Credentials]
    poll: Callable[[Http, Any, Any, Mapping[str, Any]], Polled]
    requests_per_minute: float
    every_seconds: int
