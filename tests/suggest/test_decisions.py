"""Decisions: which follow which, who and why kept for ever, two people at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col, select

from service.store.columns import now
from service.store.engine import Database
from service.store.schema import Suggestion, SuggestionDecision
from service.suggest.decisions import DECISIONS_NEEDING, STATUSES, STEPS, possible
from tests.suggest.conftest import AddItem

ID = "purchase.ease_of_use"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
BODIES: dict[str, dict[str, Any]] = {
    "accept": {},
    "edit": {"adaptation": "One page, guest checkout first."},
    "reject": {"reason": "Known, and gone with the autumn release."},
    "snooze": {"until": TOMORROW},
    "plan": {},
    "test": {},
    "start": {},
    "complete": {},
    "roll_back": {},
    "note": {},
}
# how to come to each status
PATHS: dict[str, list[str]] = {
    "suggested": [],
    "accepted": ["accept"],
    "edited": ["edit"],
    "rejected": ["reject"],
    "snoozed": ["snooze"],
    "planned": ["accept", "plan"],
    "testing": ["accept", "plan", "test"],
    "live": ["accept", "start"],
    "kept": ["accept", "start", "complete"],
    "rolled_back": ["accept", "start", "roll_back"],
}


def decide(client: Any, decision: str, **more: Any) -> Any:
    return client.post(f"/v1/suggestions/{ID}/decision", json={"decision": decision} | BODIES[decision] | more)


def test_an_accepted_one_tells_who_when_why_and_the_numbers(client: Any, shop: int) -> None:
    answer = decide(client, "accept", reason="Worst of the autumn", owner="Maria")
    assert answer.status_code == 200, answer.text
    row = answer.json()
    assert (row["status"], row["owner"]) == ("accepted", "Maria")
    [made] = row["decisions"]
    assert (made["actor"], made["decision"], made["reason"]) == ("key:test", "accept", "Worst of the autumn")
    assert made["old"]["status"] == "suggested"
    assert made["new"] == {
        "status": "accepted",
        "adaptation": row["adaptation"],
        "owner": "Maria",
        "until": None,
        "due": None,
        "ticket": None,
    }
    assert made["numbers"]["size"] == row["size"]
    assert made["numbers"]["size"]["count"] == 12
    again = client.get(f"/v1/suggestions/{ID}").json()
    assert {name: again[name] for name in row if name != "as_of"} == row


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_allows_what_it_says_and_nothing_else(client: Any, shop: int, status: str) -> None:
    for step in PATHS[status]:
        assert decide(client, step).status_code == 200
    row = client.get(f"/v1/suggestions/{ID}").json()
    assert row["status"] == status
    assert set(row["possible"]) == set(possible(status))
    for impossible in STEPS.keys() - set(row["possible"]):
        answer = decide(client, impossible)
        assert answer.status_code == 409
        assert all(name in answer.json()["detail"] for name in row["possible"])
    assert len(client.get(f"/v1/suggestions/{ID}").json()["decisions"]) == len(PATHS[status])


def test_every_decision_leads_where_it_says(client: Any, shop: int, database: Database) -> None:
    decide(client, "accept")
    later = now() + timedelta(days=1)
    for decision, (target, sources) in STEPS.items():
        for source in sources:
            with database.write() as session:
                until = later if source == "snoozed" else None
                session.execute(update(Suggestion).values(status=source, snoozed_until=until))
            answer = decide(client, decision)
            assert (answer.status_code, answer.json()["status"]) == (200, target), (decision, source)


def test_what_a_decision_needs(client: Any, shop: int) -> None:
    for decision, needed in DECISIONS_NEEDING.items():
        answer = client.post(f"/v1/suggestions/{ID}/decision", json={"decision": decision})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["pointer"] == f"/{needed}"


def test_sending_again_under_an_idempotency_key_decides_once(client: Any, shop: int) -> None:
    def send(reason: str) -> Any:
        return client.post(
            f"/v1/suggestions/{ID}/decision",
            json={"decision": "accept", "reason": reason},
            headers={"Idempotency-Key": "monday-1"},
        )

    first, again, other = send("worst of all"), send("worst of all"), send("another reason")
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert other.status_code == 422
    assert len(client.get(f"/v1/suggestions/{ID}").json()["decisions"]) == 1


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "/decision"),
    ({"decision": "love"}, "/decision"),
    ({"decision": "accept", "adaptation": "x"}, "/adaptation"),
    ({"decision": "accept", "until": TOMORROW}, "/until"),
    ({"decision": "snooze", "until": "2020-01-01T00:00:00Z"}, "/until"),
    ({"decision": "snooze", "until": "soon"}, "/until"),
    ({"decision": "snooze", "until": "0001-01-01T00:00:00+14:00"}, "/until"),
    ({"decision": "edit", "adaptation": "  "}, "/adaptation"),
    ({"decision": "reject", "reason": "x" * 2001}, "/reason"),
    ({"decision": "accept", "colour": "red"}, "/colour"),
    ({"decision": "accept", "owner": 7}, "/owner"),
    ({"decision": "accept", "due": "some day"}, "/due"),
    ({"decision": "accept", "due": "0001-01-01"}, "/due"),
    ({"decision": "accept", "ticket": "javascript:alert(1)"}, "/ticket"),
    ({"decision": "accept", "ticket": "https://x.example/a b"}, "/ticket"),
    ({"decision": "note"}, "/reason"),
]


def test_bad_bodies_name_the_field(client: Any, shop: int) -> None:
    for body, pointer in BAD:
        answer = client.post(f"/v1/suggestions/{ID}/decision", json=body)
        assert answer.status_code == 422, body
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert client.get(f"/v1/suggestions/{ID}").json()["status"] == "suggested"


def test_nul_is_left_out(client: Any, shop: int) -> None:
    body = b'{"decision": "edit", "adaptation": "shorter\\u0000 form", "reason": "a\\u0000b"}'
    answer = client.post(f"/v1/suggestions/{ID}/decision", content=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["adaptation"] == "shorter form"
    assert answer.json()["decisions"][0]["reason"] == "ab"


def test_an_edit_is_kept_as_the_adaptation(client: Any, shop: int) -> None:
    before = client.get(f"/v1/suggestions/{ID}").json()["adaptation"]
    row = decide(client, "edit").json()
    assert row["adaptation"] == BODIES["edit"]["adaptation"]
    assert (row["decisions"][0]["old"]["adaptation"], row["decisions"][0]["new"]["adaptation"]) == (
        before,
        BODIES["edit"]["adaptation"],
    )
    assert client.get("/v1/suggestions").json()["data"][0]["adaptation"] == BODIES["edit"]["adaptation"]


def test_rejected_stays_rejected_as_evidence_grows(client: Any, shop: int, add: AddItem) -> None:
    decide(client, "reject")
    for day in range(6):
        add(shop, day=20 + day)
    rows = {row["id"]: row for row in client.get("/v1/suggestions").json()["data"]}
    assert rows[ID]["status"] == "rejected"
    assert rows[ID]["size"]["count"] == 18
    assert ID not in {row["id"] for row in client.get("/v1/suggestions?status=suggested").json()["data"]}
    both = client.get("/v1/suggestions?status=suggested,rejected").json()["data"]
    assert {row["id"] for row in both} == {ID, "support.responsiveness"}


def test_rejected_comes_back_when_the_evidence_has_grown_and_says_what_is_new(
    client: Any, shop: int, add: AddItem, database: Database
) -> None:
    decide(client, "reject")
    with database.write() as session:
        for day in range(40):
            add(shop, day=20 + day, session=session)
    row = client.get(f"/v1/suggestions/{ID}").json()
    assert row["status"] == "suggested"
    reopened = row["reopened"]
    assert reopened["reason"] == BODIES["reject"]["reason"]
    assert (reopened["then"]["count"], reopened["now"]["count"], reopened["since"]["count"]) == (12, 52, 40)
    assert reopened["says"] in row["why"]
    assert set(row["possible"]) == set(possible("suggested"))
    # whatever is looked at, and in the list of what is to be decided
    assert ID in {
        one["id"] for one in client.get("/v1/suggestions?status=suggested&channel=review").json()["data"]
    }
    # a note does not decide
    noted = client.post(f"/v1/suggestions/{ID}/decision", json={"decision": "note", "reason": "Ask Maria"}).json()
    assert (noted["status"], noted["reopened"]["now"]["count"]) == ("suggested", 52)
    # rejected again, it takes as much growth anew
    again = decide(client, "reject").json()
    assert (again["status"], again["reopened"]) == ("rejected", None)
    assert again["decisions"][-1]["old"]["status"] == "suggested"
    for day in range(5):
        add(shop, day=70 + day)
    assert client.get(f"/v1/suggestions/{ID}").json()["status"] == "rejected"


def test_one_loud_person_does_not_reopen(client: Any, shop: int, add: AddItem, database: Database) -> None:
    decide(client, "reject")
    with database.write() as session:
        for day in range(60):
            add(shop, day=20 + day, respondent="loud", session=session)
    assert client.get(f"/v1/suggestions/{ID}").json()["status"] == "rejected"


def test_more_of_the_same_share_does_not_reopen_until_it_has_doubled(
    client: Any, shop: int, add: AddItem, database: Database
) -> None:
    decide(client, "reject")

    def more(days: range) -> None:
        with database.write() as session:
            for day in days:
                add(shop, day=day, session=session)
                add(shop, topic="general", sentiment="positive", emotion="joy", day=day, session=session)

    more(range(20, 31))  # 11 of 22, as before
    assert client.get(f"/v1/suggestions/{ID}").json()["status"] == "rejected"
    more(range(31, 33))
    row = client.get(f"/v1/suggestions/{ID}").json()
    assert row["status"] == "suggested"
    assert "25 people report it by now, 12 did then" in row["reopened"]["says"]


def test_owner_due_day_ticket_and_notes(client: Any, shop: int) -> None:
    first = client.post(
        f"/v1/suggestions/{ID}/decision",
        json={"decision": "note", "owner": "Maria", "due": "2026-12-24", "ticket": "https://t.example/7"},
    ).json()
    assert (first["status"], first["owner"], first["due"], first["ticket"]) == (
        "suggested",
        "Maria",
        "2026-12-24",
        "https://t.example/7",
    )
    decide(client, "accept")
    decide(client, "note", reason="Waits for the new supplier")
    row = client.get(f"/v1/suggestions/{ID}").json()
    assert (row["status"], row["owner"], row["due"]) == ("accepted", "Maria", "2026-12-24")
    assert [one["decision"] for one in row["decisions"]] == ["note", "accept", "note"]
    assert row["decisions"][2]["reason"] == "Waits for the new supplier"
    assert row["decisions"][0]["new"]["ticket"] == "https://t.example/7"
    # what changed the map is told without notes
    assert [one["decision"] for one in client.get("/v1/map-versions").json()["data"]] == ["accept"]


def test_a_note_does_not_end_a_snooze(client: Any, shop: int) -> None:
    decide(client, "snooze")
    row = decide(client, "note", reason="Still waiting").json()
    assert row["status"] == "snoozed"
    assert row["snoozed_until"] is not None


def test_a_snooze_ends_by_itself(client: Any, shop: int, database: Database) -> None:
    row = decide(client, "snooze").json()
    assert row["status"] == "snoozed"
    assert row["snoozed_until"] is not None
    with database.write() as session:
        session.execute(update(Suggestion).values(snoozed_until=now() - timedelta(minutes=1)))
    row = client.get(f"/v1/suggestions/{ID}").json()
    assert (row["status"], row["snoozed_until"]) == ("suggested", None)
    assert decide(client, "accept").json()["decisions"][-1]["old"]["status"] == "suggested"


def test_what_was_decided_stays_listed_when_the_pain_is_gone(client: Any, shop: int) -> None:
    decide(client, "accept")
    [row] = client.get("/v1/suggestions?status=accepted&from=2027-01-01").json()["data"]
    assert (row["size"]["count"], row["size"]["share"], row["evidence"]) == (0, 0.0, [])
    assert "Nobody reports this" in row["why"]


def test_the_history_is_only_added_to(client: Any, shop: int, database: Database) -> None:
    for step in ("accept", "start", "roll_back", "edit", "reject"):
        with database.read() as session:
            before = [row.model_dump() for row in session.exec(select(SuggestionDecision)).all()]
        assert decide(client, step).status_code == 200
        with database.read() as session:
            after = session.exec(select(SuggestionDecision).order_by(col(SuggestionDecision.id))).all()
        assert [row.model_dump() for row in after[:-1]] == before
    assert [row.decision for row in after] == ["accept", "start", "roll_back", "edit", "reject"]
    assert after[1].effective_at is not None


def test_the_maps_history_pages_newest_first(client: Any, shop: int) -> None:
    for step in ("accept", "start", "roll_back", "edit"):
        decide(client, step, reason=f"because {step}")
    first = client.get("/v1/map-versions?limit=2").json()
    rest = client.get(f"/v1/map-versions?limit=2&cursor={first['next']}").json()
    assert [row["decision"] for row in first["data"] + rest["data"]] == ["edit", "roll_back", "accept"]
    assert rest["next"] is None
    newest = first["data"][0]
    assert (newest["suggestion_id"], newest["reason"], newest["actor"]) == (ID, "because edit", "key:test")
    assert newest["previous"] is not None
    assert client.get(f"/v1/map-versions/{newest['id']}").json().items() >= newest.items()
    for wrong in ("0", "x", "99999999999999999999"):
        assert client.get(f"/v1/map-versions/{wrong}").status_code == 404


def test_of_two_who_decide_at_once_one_is_told(client_of: Callable[..., Any], shop: int) -> None:
    callers = [client_of() for _ in range(4)]
    answers: list[int] = []
    gate = threading.Barrier(len(callers))

    def accept(caller: Any) -> None:
        gate.wait()
        answers.append(decide(caller, "accept").status_code)

    threads = [threading.Thread(target=accept, args=(caller,)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == [200, 409, 409, 409]
    assert len(callers[0].get(f"/v1/suggestions/{ID}").json()["decisions"]) == 1
