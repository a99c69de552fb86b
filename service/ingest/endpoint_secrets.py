"""The secrets of webhook addresses: kept encrypted, several at once while they change, each with its end."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.auth import Vault
from service.errors import BadInput, FieldError
from service.ingest.incoming import Moment
from service.ingest.senders.contract import Sender
from service.store.schema import Endpoint

MAX_SECRETS = 10


class Secret(BaseModel):
    """A secret that holds until `not_after` (for ever without)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Annotated[str, Field(min_length=1, max_length=1000)]
    not_after: Moment = None


def active_secrets(endpoint: Endpoint, vault: Vault, moment: datetime) -> list[str]:
    """The secrets that hold at this moment."""
    return [
        secret.value
        for secret in secrets_of(endpoint, vault)
        if secret.not_after is None or secret.not_after > moment
    ]


def has_secrets(endpoint: Endpoint, vault: Vault) -> bool:
    """Whether the endpoint was ever given a secret: when the last one has ended it is closed, not open to all."""
    return bool(secrets_of(endpoint, vault))


def secrets_of(endpoint: Endpoint, vault: Vault) -> list[Secret]:
    """All secrets of the endpoint, those that have ended among them."""
    return list(_decrypted(vault, endpoint.secrets))


# every delivery asks: to decrypt anew takes as long as to verify
@lru_cache(maxsize=1024)
def _decrypted(vault: Vault, stored: str) -> tuple[Secret, ...]:
    return tuple(Secret.model_validate(one) for one in json.loads(vault.decrypt(stored)))


def encrypted(secrets: list[Secret], vault: Vault) -> str:
    """The secrets as they are stored."""
    return vault.encrypt(json.dumps([secret.model_dump(mode="json") for secret in secrets]))


def checked_secrets(given: list[str | Secret], sender: Sender) -> list[Secret]:
    """What a caller brought; BadInput naming each that is no secret of this sender."""
    found, errors = [], []
    for number, one in enumerate(given):
        try:
            # an empty or over-long one is a ValueError too
            secret = Secret(value=one) if isinstance(one, str) else one
            sender.check_secret(secret.value)
        except ValueError:
            errors.append(FieldError(f"/secrets/{number}", "bad_secret", f"not a secret of {sender.title}"))
        else:
            found.append(secret)
    if errors:
        raise BadInput(f"At least one secret is not of the kind that {sender.title} uses.", errors=errors)
    return found


def made_secrets(sender: Sender) -> list[Secret]:
    """A new secret of ours; none where the sender makes them itself."""
    return [Secret(value=sender.new_secret())] if sender.new_secret is not None else []


def first_secrets(sender: Sender) -> list[Secret]:
    """What an endpoint begins with where none was brought.

    None where the address may be the credential, nor where the tool makes the secret itself: several show it only
    once they know the address, so it is added later, and until then every delivery is refused.
    """
    return made_secrets(sender) if sender.secret_needed else []
