"""Every sender we understand, by the name that stands in its address. One file per sender, no discovery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from service.ingest.incoming import Call, Channel, Parsed
from service.ingest.senders import standard_webhooks
from service.ingest.senders.signatures import SenderOptions


@dataclass(frozen=True, slots=True)
class Sender:
    """One kind of sender: pure functions on bytes and dicts, no database, no network."""

    name: str
    title: str
    default_channel: Channel  # of items that name none
    options: type[SenderOptions]
    verify: Callable[[Call, Sequence[str], SenderOptions, datetime], None]  # raises BadSignature
    delivery_id: Callable[[Call], str | None]  # None: the body's hash stands for it
    parse: Callable[[Call, SenderOptions], Parsed]  # raises CannotParse
    check_secret: Callable[[str], None]  # raises ValueError
    new_secret: Callable[[], str] | None  # None: the sender makes the secret, the user brings it


SENDERS: dict[str, Sender] = {
    sender.name: sender
    for sender in (
        Sender(
            name="standard-webhooks",
            title="Standard Webhooks",
            default_channel="other",
            options=SenderOptions,
            verify=standard_webhooks.verify,
            delivery_id=standard_webhooks.delivery_id,
            parse=standard_webhooks.parse,
            check_secret=standard_webhooks.check_secret,
            new_secret=standard_webhooks.new_secret,
        ),
    )
}
