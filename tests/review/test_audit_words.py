"""Every action that the service writes into its audit log is told in words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from service.desk.audit_words import DONE, audit_words
from service.suggest.decisions import DecisionName

WRITTEN = re.compile(r'(?:action=|_?audit\(|_keep\()[^"\n]*"([a-z_]+)\.([a-z_]+)"')


def test_actions_in_words() -> None:
    assert audit_words("key.revoke") == "API key: revoked"
    assert audit_words("journey_model.default") == "Journey model: made the usual one"
    assert audit_words("something.new_here") == "Something: new here"
    assert audit_words("restored") == "Restored"


def test_every_action_of_the_service_has_words() -> None:
    found = {
        match.groups()
        for path in Path("service").rglob("*.py")
        for match in WRITTEN.finditer(path.read_text("utf-8"))
    }
    assert len(found) > 20, "the search has lost the places where actions are written"
    assert not {done for _, done in found} - set(DONE)
    assert not set(get_args(DecisionName)) - set(DONE)
