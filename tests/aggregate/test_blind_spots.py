"""What is not heard is told, with where to start listening."""

from __future__ import annotations

from typing import Any

from service.aggregate.blind_spot_answers import BLIND_SPOTS, BlindSpotsAnswer
from service.aggregate.listening import LISTENING, UNREAD
from service.aggregate.tally import SHOWN_REASONS
from service.store.engine import Database
from service.store.rollup_codes import codebook
from tests.store.items_for_counting import add_items, make_item


def test_every_stage_has_a_way_to_listen_and_every_reason_a_remedy() -> None:
    assert set(LISTENING) == set(codebook().labels("stage")) - {"none"}
    assert set(UNREAD) == set(SHOWN_REASONS) - {"none"}
    BlindSpotsAnswer.model_validate(BLIND_SPOTS)


def test_silent_stages_and_what_is_not_read(client: Any, database: Database) -> None:
    workspace_id = client.workspace_id
    made = [make_item(workspace_id, n, respondent=f"{n % 20:032x}") for n in range(40)]
    made += [
        make_item(workspace_id, n, source="helpdesk", channel="ticket", stage="support") for n in range(40, 50)
    ]
    made += [make_item(workspace_id, 60, text=None, state="no_text"), make_item(workspace_id, 61, language="xx")]
    made[-1].unsure_reason = "unsupported_language"
    with database.write() as session:
        add_items(
            session,
            made,
            segments={
                0: [("purchase", "joy", "positive", "payment", "checkout")] * 2
                + [("churn", "anger", "negative", "price", "unknown")]
            },
        )
    found = client.get("/v1/blind-spots").json()
    BlindSpotsAnswer.model_validate(found)
    assert (found["n"], found["respondents"], found["label_quality"]) == (52, 32, "unknown on your data")
    stages = {one["stage"]: one for one in found["stages"]}
    assert (stages["purchase"]["state"], stages["support"]["state"]) == ("heard", "thin")
    assert (stages["churn"]["state"], stages["churn"]["mentions"]) == ("silent", 1)
    assert stages["purchase"]["respondents"] == 20
    assert 0 < stages["delivery"]["share"]["high"] < 0.2
    shop, helpdesk = found["sources"]
    assert (shop["source"], shop["stages"]["purchase"], shop["items"]) == ("shop", 40, 42)
    assert "purchase" in helpdesk["never"]
    silent = {one["stage"]: one for one in found["silent"]}
    assert "purchase" not in silent
    assert "mention it in passing" in silent["churn"]["why"]
    assert silent["delivery"]["ask"]
    assert {one["reason"]: one["items"] for one in found["unread"]["reasons"]} == {
        "no_text": 1,
        "unsupported_language": 1,
    }
    only = client.get("/v1/blind-spots?channel=ticket").json()
    assert only["n"] == 10
    assert client.get("/v1/blind-spots?channel=chat").json()["unread"]["share"]["value"] == 0
