"""Every sender we understand, by the name that stands in its address. One file per sender, no discovery."""

from __future__ import annotations

from service.ingest.senders import (
    app_store,
    chatwoot,
    front,
    google_play,
    hubspot,
    judgeme,
    standard_webhooks,
    trustpilot,
)
from service.ingest.senders.contract import Sender

SENDERS: dict[str, Sender] = {
    sender.name: sender
    for sender in (
        app_store.SENDER,
        chatwoot.SENDER,
        front.SENDER,
        google_play.SENDER,
        hubspot.SENDER,
        judgeme.SENDER,
        standard_webhooks.SENDER,
        trustpilot.SENDER,
    )
}
