"""A form asks for the last day of a period; the address holds the day after it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime

import pytest
from fastapi.testclient import TestClient

from service.review.last_day import last_of, with_end
from tests.review.test_pages import browser

__all__ = ["browser"]


def test_an_address_holds_the_day_after_the_last() -> None:
    assert with_end("from=2026-10-03&last=2026-10-07&channel=") == "from=2026-10-03&to=2026-10-08"
    assert with_end("last=2026-12-31&to=2026-01-01&attr.plan=a%26b") == "attr.plan=a%26b&to=2027-01-01"
    assert with_end("from=2026-10-03&last=") == "from=2026-10-03"
    assert with_end("last=never") == "to=never"  # refused as any other wrong end
    assert with_end("last=9999-12-31") == "to=9999-12-31"
    assert with_end("q=at+last%3D") is None


def test_the_field_shows_the_day_before_the_end() -> None:
    assert last_of("2026-10-08") == last_of(date(2026, 10, 8)) == "2026-10-07"
    assert last_of(datetime(2026, 10, 8, tzinfo=UTC)) == "2026-10-07"
    assert last_of("2026-10-08T12:00:00Z") == "2026-10-08"
    assert last_of(None) == last_of("") == last_of("never") == ""


@pytest.mark.parametrize("path", ["/map", "/map/compare", "/reconcile", "/suggestions", "/themes", "/feedback"])
def test_every_form_asks_for_the_last_day(browser: Callable[..., TestClient], path: str) -> None:
    lead = browser()
    answer = lead.get(f"{path}?from=2026-10-03&last=2026-10-07")
    assert answer.status_code == 200
    assert "to=2026-10-08" in answer.url.query.decode()
    assert 'name="to"' not in answer.text
    field = re.search(r'<label>Last day <input type="date" name="last" value="([^"]*)"', answer.text)
    assert field is not None
    assert field[1] == "2026-10-07"
    refused = lead.get(f"{path}?last=never")
    assert refused.status_code == 422
