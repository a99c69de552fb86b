"""Logs carry what an operator needs, and never a customer's words or a hook's address."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from service.monitor.logs import JsonLines, PlainLines

SECRET_WORDS = "my parcel was eaten by the neighbour's dog"


def _record(**extra: Any) -> logging.LogRecord:
    try:
        raise ValueError(SECRET_WORDS)
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "failed %s", ("here",), (ValueError, error, error.__traceback__)
        )
    record.__dict__.update(extra)
    return record


@pytest.mark.parametrize("formatter", [JsonLines(), PlainLines()])
def test_an_exception_is_named_but_not_quoted(formatter: logging.Formatter) -> None:
    line = formatter.format(_record())
    assert SECRET_WORDS not in line
    assert "ValueError" in line
    assert "test_logs.py" in line


def test_json_lines_parse_and_keep_extra_fields() -> None:
    line = json.loads(JsonLines().format(_record(status=200, ms=1.5)))
    assert line["message"] == "failed here"
    assert line["level"] == "error"
    assert (line["status"], line["ms"]) == (200, 1.5)


def test_a_request_is_logged_by_its_template(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="journeymap.http"):
        client.post("/hooks/standard-webhooks/very-secret-address", content=SECRET_WORDS)
        client.get("/v1/feedback?q=secret-search")
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "/hooks/" in text
    assert "very-secret-address" not in text
    assert "secret-search" not in text
    assert SECRET_WORDS not in text


def test_a_failure_is_logged_without_the_respondents_key(
    client: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> int:
        raise KeyError(SECRET_WORDS)

    monkeypatch.setattr("service.review.erasure.erase_respondent", fails)
    with caplog.at_level("INFO"):
        assert client.delete("/v1/respondents/jo@example.com").status_code == 500
    assert "unexpected KeyError on /v1/respondents/{key:path}" in caplog.messages
    own = [record.getMessage() for record in caplog.records if record.name != "httpx2"]  # which is the caller's
    assert not any("jo@" in message or SECRET_WORDS in message for message in own)


def test_metrics_tell_of_requests_and_queue(client: Any) -> None:
    client.get("/healthz")
    text = client.get("/metrics").text
    assert "journeymap_http_requests_total{" in text
    assert 'route="/healthz"' in text
    assert "journeymap_oldest_waiting_job_seconds" in text
    assert "journeymap_workers" in text
