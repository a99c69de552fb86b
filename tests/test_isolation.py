"""No route answers a stranger, and none shows one workspace to another.

Both tests walk the OpenAPI document, so a new route can't be forgotten: one with an id in its address must be
named in `OWNED` with a way to make such a row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from service.store.engine import Database
from service.store.schema import Theme

MARK = "zebrafinch"  # stands in everything that workspace A owns
# no key needed: the address and the signature are a hook's credentials; health and figures name nobody
OPEN = {"/hooks/{sender}/{endpoint_id}", "/healthz", "/readyz", "/metrics"}


def _operations(app: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _feedback(client: Any) -> str:
    item = {
        "text": f"The {MARK} parcel came late.",
        "external_id": MARK,
        "source": MARK,
        "attributes": {"plan": MARK},
    }
    return str(client.post("/v1/feedback", json=item).json()["id"])


def _endpoint(client: Any) -> str:
    body = {"sender": "standard-webhooks", "name": MARK, "source": MARK}
    return str(client.post("/v1/endpoints", json=body).json()["id"])


def _delivery(client: Any) -> str:
    from datetime import UTC, datetime

    from standardwebhooks import Webhook

    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = {"sender": "standard-webhooks", "name": MARK, "secrets": [secret]}
    endpoint = client.post("/v1/endpoints", json=body).json()
    payload = json.dumps({"type": "feedback.created", "data": {"text": f"{MARK} again", "external_id": "d1"}})
    moment = datetime.now(UTC)
    answer = client.post(
        "/hooks/" + endpoint["url"].partition("/hooks/")[2],
        content=payload,
        headers={
            "webhook-id": MARK,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": Webhook(secret).sign(MARK, moment, payload),
        },
    )
    assert answer.status_code == 200, answer.text
    return str(client.get("/v1/deliveries").json()["data"][0]["id"])


def _import(client: Any) -> str:
    answer = client.post(
        f"/v1/imports?filename={MARK}.csv&source={MARK}",
        content=f"external_id,text\n1,{MARK} was fine\n2,\n".encode(),
        headers={"content-type": "text/csv"},
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def _journey_model(client: Any) -> str:
    stages = [
        {
            "name": MARK,
            "codebook_stages": [
                "awareness", "consideration", "decision", "purchase", "delivery", "onboarding",
                "usage", "support", "loyalty", "churn", "advocacy",
            ],
        }
    ]  # fmt: skip
    answer = client.post("/v1/journey-models", json={"name": MARK, "stages": stages})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _suggestion(client: Any) -> str:
    """A suggestion that workspace A has decided on; its id names stage and topic."""
    from service.store.schema import Suggestion
    from service.suggest.decisions import public_id

    with client.database.write() as session:
        row = Suggestion(
            workspace_id=client.workspace_id,
            key="delivery/delivery",
            stage="delivery",
            topic="delivery",
            playbook_entry="delivery-delivery",
            adaptation=MARK,
            status="accepted",
        )
        session.add(row)
    return public_id("delivery", "delivery")


def _map_version(client: Any) -> str:
    answer = client.put("/v1/map-document", json={"document": {"goal": MARK}, "reason": MARK})
    assert answer.status_code == 200, answer.text
    return str(client.get("/v1/map-versions").json()["data"][0]["id"])


def _respondent(client: Any) -> str:
    item = {"text": f"The {MARK} came late.", "external_id": f"r-{MARK}", "source": MARK, "respondent": MARK}
    assert client.post("/v1/feedback", json=item).status_code == 202
    return MARK


def _key(client: Any) -> str:
    return str(client.post("/v1/keys", json={"name": MARK, "scopes": ["read"]}).json()["id"])


def _person(client: Any) -> str:
    return str(client.post("/v1/people", json={"name": MARK, "role": "lead"}).json()["id"])


def _subscription(client: Any) -> str:
    # an address that needs no name server; nothing is sent without a worker
    body = {"url": "https://93.184.216.34/hook", "name": MARK}
    return str(client.post("/v1/subscriptions", json=body).json()["id"])


def _persona(client: Any) -> str:
    answer = client.post("/v1/personas", json={"name": MARK, "attributes": {"plan": [MARK]}})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _playbook_entry(client: Any) -> str:
    from service.suggest.playbook_own import EXAMPLE

    answer = client.post("/v1/playbook", json=EXAMPLE | {"pain": MARK, "adaptation": MARK})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def _theme(client: Any) -> str:
    with client.database.write() as session:
        row = Theme(
            workspace_id=client.workspace_id, stage="usage", topic="price", side="trouble", name=f"Too {MARK}"
        )
        session.add(row)
        session.flush()
        return str(row.id)


# first parameter of the address -> how workspace A comes to own such a row
OWNED: dict[str, Callable[[Any], str]] = {
    "/v1/feedback/{feedback_id}": _feedback,
    "/v1/endpoints/{endpoint_id}": _endpoint,
    "/v1/deliveries/{delivery_id}": _delivery,
    "/v1/imports/{import_id}": _import,
    "/v1/journey-models/{id}": _journey_model,
    "/v1/suggestions/{id}": _suggestion,
    "/v1/map-versions/{id}": _map_version,
    "/v1/playbook/{id}": _playbook_entry,
    "/v1/personas/{id}": _persona,
    "/v1/themes/{id}": _theme,
    "/v1/respondents/{key}": _respondent,
    "/v1/subscriptions/{subscription_id}": _subscription,
    "/v1/keys/{key_id}": _key,
    "/v1/people/{person_id}": _person,
}
# erasing a person unknown here is no error: the mark that keeps them out is set all the same
ANSWERS_ALL = {("delete", "/v1/respondents/{key}")}


def _owner(path: str) -> str:
    return path[: path.index("}") + 1]


def test_every_route_refuses_a_stranger(app: FastAPI, client: Any) -> None:
    seen = 0
    for path, method, _ in _operations(app):
        if path in OPEN:
            continue
        address = path.replace("{", "1").replace("}", "")
        for headers in ({"Authorization": ""}, {"Authorization": "Bearer jm_wrong"}):
            answer = client.request(method, address, headers=headers)
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.headers["content-type"] == "application/problem+json", (method, path)
        seen += 1
    assert seen > 20


def test_no_route_shows_or_changes_another_workspaces_rows(
    app: FastAPI, client_of: Callable[..., Any], database: Database
) -> None:
    ours, theirs = client_of("ours"), client_of("theirs")
    ours.database = database
    ids = {owner: make(ours) for owner, make in OWNED.items()}
    for path, method, operation in _operations(app):
        if path in OPEN:
            continue
        if "{" not in path:
            if method == "get":
                answer = theirs.get(path)
                assert MARK not in answer.text, (method, path)
            continue
        owner = _owner(path)
        assert owner in OWNED, f"{path}: say in OWNED how a workspace comes to own one"
        address = path.replace(owner[owner.index("{") :], ids[owner])
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        needed = {
            one["name"]: "1"
            for one in operation.get("parameters", [])
            if one["in"] == "query" and one.get("required")
        }
        answer = theirs.request(method, address, params=needed, **({} if body is None else {"json": body}))
        if (method, path) in ANSWERS_ALL:
            assert answer.status_code == 200, (method, path, answer.text)
        else:
            assert answer.status_code == 404, (method, path, answer.text)
        assert MARK not in answer.text.replace(address, ""), (method, path)
    # and nothing of ours was changed by trying
    assert ours.get(f"/v1/feedback/{ids['/v1/feedback/{feedback_id}']}").status_code == 200
    assert ours.get(f"/v1/endpoints/{ids['/v1/endpoints/{endpoint_id}']}").status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/feedback/{id}", "/v1/imports/{id}", "/v1/suggestions/{id}", "/v1/deliveries/{id}"]
)
@pytest.mark.parametrize("wrong", ["0", "-1", "abc", "9" * 30, "%00", "1e3", "٣"])
def test_an_id_that_is_none_is_not_found(client: Any, path: str, wrong: str) -> None:
    answer = client.get(path.replace("{id}", wrong))
    assert answer.status_code == 404, answer.text


def test_every_operation_is_described_with_an_example(app: FastAPI) -> None:
    lacking = []
    for path, method, operation in _operations(app):
        where = f"{method} {path}"
        if not operation.get("summary") or not operation.get("tags"):
            lacking.append(f"{where}: summary and tag")
        for holder in [operation.get("requestBody"), *operation["responses"].values()]:
            for media, content in (holder or {}).get("content", {}).items():
                schema = content.get("schema", {})
                if "$ref" in schema:
                    schema = app.openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
                described = (
                    content.get("example") is not None
                    or content.get("examples")
                    or schema.get("examples")
                    or schema.get("example") is not None
                )
                if not described and media == "application/json" and "HTTPValidationError" not in str(content):
                    lacking.append(f"{where}: example of {media}")
    assert lacking == []
