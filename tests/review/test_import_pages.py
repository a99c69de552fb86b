"""The pages of files: chosen or dropped, looked at before anything is stored, mended, watched."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import select

from service.dependencies import CSRF_HEADER
from service.settings import Settings
from service.store.engine import Database
from service.store.schema import FeedbackItem, FileImport
from service.work import Work
from tests.ingest.importing import read_all, tag_all
from tests.ingest.test_files_xlsx import by_hand
from tests.review.test_pages import MARKUP, browser
from tests.review.test_sources import _csrf

__all__ = ["browser"]  # the fixture

Browser = Callable[..., TestClient]
FILE = (
    "id,when,comment,reason,ip address\n"
    f"1,2026-11-01,shop 12,Far too slow {MARKUP},192.0.2.17\n"
    '2,2026-11-02,shop 7,"Nobody answered, for weeks",192.0.2.18\n'
    "3,2026-11-03,shop 7,Quick and kind,192.0.2.19,too,many\n"
)
OPEN = "id,when,rating,words\n1,03/04/2026,8,Far too slow\n2,05/06/2026,9,Nobody answered me\n"


def _send(person: TestClient, content: str | bytes, filename: str = "export.csv", **fields: str) -> Any:
    data = {"csrf": _csrf_of(person), **fields}
    return person.post("/sources/import", data=data, files={"file": (filename, content)})


def _csrf_of(person: TestClient) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', person.get("/sources").text)
    assert found is not None
    return found[1]


def _look(person: TestClient, sent: Any, do: str = "look", **fields: str) -> Any:
    return person.post(f"{sent.url.path}/mapping", data={"csrf": _csrf_of(person), "do": do, **fields})


def _items(database: Database) -> list[FeedbackItem]:
    with database.read() as session:
        return list(session.execute(select(FeedbackItem).order_by(FeedbackItem.id)).scalars())


def test_a_wrong_guess_is_mended_before_anything_is_stored(
    browser: Browser, work: Work, database: Database
) -> None:
    analyst = browser("analyst")
    assert "Upload a file" in analyst.get("/sources").text
    assert "drop it here" in analyst.get("/sources/import").text
    sent = _send(analyst, FILE, source="shops")
    assert sent.status_code == 200
    assert re.fullmatch(r"/sources/imports/\d+", sent.url.path)
    shown = html.unescape(sent.text)
    assert "Nothing is stored yet" in shown
    assert '<b class="down">1</b> of the 3 rows would be refused' in shown
    assert "shop 12" in shown, "values of a column"
    assert "192.0.2" not in shown, "what is left out as personal is not shown"
    assert "<script>alert" not in sent.text
    assert "style=" not in sent.text
    assert read_all(work) == 0, "it waits"
    assert "waits for you" in analyst.get("/sources").text
    mended = _look(analyst, sent, **{"column.2": "attribute", "column.3": "text"})
    assert mended.status_code == 200
    assert mended.text.count("as told") == 2
    assert (read_all(work), _items(database)) == (0, [])
    begun = _look(analyst, sent, do="start", **{"column.2": "attribute", "column.3": "text"})
    assert 'data-live="' in begun.text
    assert read_all(work) == 1
    tag_all(work)
    items = _items(database)
    assert [one.text for one in items] == [f"Far too slow {MARKUP}", "Nobody answered, for weeks"]
    assert items[0].attributes == {"comment": "shop 12"}
    assert {one.source for one in items} == {"shops"}
    done = html.unescape(analyst.get(sent.url.path).text)
    assert "done, some rows refused" in done
    assert "data-live" not in done
    assert "The row has 7 cells, the header has 5 columns." in done
    assert analyst.get(re.findall(r'href="(/v1/imports/\d+/rejected.csv)"', done)[0]).status_code == 200
    assert "data-ended" in analyst.get(f"{sent.url.path}/live").text
    assert sent.url.path in analyst.get("/sources").text


def test_open_questions_are_answered_on_the_page(browser: Browser, work: Work, database: Database) -> None:
    analyst = browser("analyst")
    sent = _send(analyst, OPEN)
    assert "Does 3/4/2026 mean the 3rd of April?" in sent.text
    assert "What scale are these numbers on?" in sent.text
    unanswered = _look(analyst, sent, do="start")
    assert "Some questions first" in unanswered.text
    assert read_all(work) == 0
    begun = _look(analyst, sent, do="start", **{"day_first": "true", "score.2": "score_nps"})
    assert "questions first" not in begun.text
    assert read_all(work) == 1
    first = _items(database)[0]
    assert first.occurred_at is not None
    assert (first.occurred_at.month, first.score_kind, first.score_value) == (4, "nps", 8)


def test_a_file_is_read_otherwise(browser: Browser) -> None:
    analyst = browser("analyst")
    sent = _send(analyst, "Kommentar;Größe\nSchön, aber zu spät;7\n".encode("cp1252"))
    assert "semicolon" in sent.text
    other = _look(analyst, sent, delimiter=",", header="false", timezone="Europe/Berlin")
    assert "comma" in other.text
    assert "Europe/Berlin" in other.text
    back = _look(analyst, sent, delimiter="", header="", timezone="Europe/Berlin")
    assert "semicolon" in back.text
    for wrong in ({"timezone": "Moon"}, {"encoding": "latin-99"}, {"column.0": "nonsense"}):
        answer = _look(analyst, sent, **wrong)
        assert answer.status_code == 422, wrong
        assert "can't be read like this" in html.unescape(answer.text)


def test_what_is_no_file_is_said_on_the_page(browser: Browser, settings: Settings) -> None:
    analyst = browser("analyst")
    for content, filename, words in (
        (b"", "empty.csv", "No file was chosen, or it is empty"),
        (b"   \n", "blank.csv", "nothing but white space"),
        (b"id,text\n", "head.csv", "no rows below them"),
    ):
        answer = _send(analyst, content, filename)
        assert answer.status_code == 422, filename
        assert words in html.unescape(answer.text), filename
        assert 'role="alert"' in answer.text
    # as browsers send a form in which nothing was chosen
    nothing = (
        f'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n{_csrf_of(analyst)}\r\n'
        '--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n--b--\r\n'
    )
    form = {"content-type": "multipart/form-data; boundary=b"}
    assert "No file was chosen" in analyst.post("/sources/import", content=nothing.encode(), headers=form).text
    plain = analyst.post("/sources/import", content=b"x", headers={"content-type": "text/csv"})
    assert plain.status_code == 422
    assert list(settings.imports_dir.glob("*")) == [], "nothing is left of them"


def test_nothing_is_read_before_the_token_was_seen(
    browser: Browser, settings: Settings, database: Database
) -> None:
    analyst = browser("analyst")
    file = {"file": ("export.csv", FILE)}
    token = _csrf_of(analyst)
    assert analyst.post("/sources/import", data={"csrf": "wrong"}, files=file).status_code == 403
    assert analyst.post("/sources/import", files=file).status_code == 403
    behind = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.csv"\r\n\r\nid,text\n1,x\n\r\n'
        b'--b\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n' + token.encode() + b"\r\n--b--\r\n"
    )
    form = {"content-type": "multipart/form-data; boundary=b"}
    assert analyst.post("/sources/import", content=behind, headers=form).status_code == 403
    assert (
        analyst.post("/sources/import", content=behind, headers={**form, CSRF_HEADER: "wrong"}).status_code == 403
    )
    with database.read() as session:
        assert session.execute(select(FileImport)).all() == []
    assert list(settings.imports_dir.glob("*")) == []
    assert analyst.post("/sources/import", content=behind, headers={**form, CSRF_HEADER: token}).status_code == 200


def test_who_may_bring_files_and_see_them(browser: Browser, client: Any) -> None:
    viewer, analyst = browser("viewer"), browser("analyst")
    assert viewer.get("/sources/import").status_code == 403
    assert '/sources/import"' not in viewer.get("/sources").text
    assert _send(viewer, FILE).status_code == 403
    sent = _send(analyst, FILE)
    seen = viewer.get(sent.url.path)
    assert seen.status_code == 200
    assert "Nobody answered" not in seen.text, "a viewer sees numbers only"
    assert _look(viewer, sent, do="start").status_code == 403
    assert viewer.post(f"{sent.url.path}/cancel", data={"csrf": _csrf_of(viewer)}).status_code == 403
    other = browser("admin", "another")
    for path in ("", "/live"):
        assert other.get(f"{sent.url.path}{path}").status_code == 404
    assert _look(other, sent, do="start").status_code == 404
    assert other.post(f"{sent.url.path}/cancel", data={"csrf": _csrf(other)}).status_code == 404
    assert analyst.post(f"{sent.url.path}/cancel", data={"csrf": "wrong"}).status_code == 403
    gone = analyst.post(f"{sent.url.path}/cancel", data={"csrf": _csrf_of(analyst)})
    assert "stopped" in gone.text
    assert analyst.post(f"{sent.url.path}/cancel", data={"csrf": _csrf_of(analyst)}).status_code == 200
    assert _look(analyst, sent, do="start").status_code == 409
    assert client.get(f"/v1/imports/{sent.url.path.rpartition('/')[2]}").json()["state"] == "canceled"


def test_the_same_file_again_is_told(browser: Browser, work: Work) -> None:
    analyst = browser("analyst")
    first = _send(analyst, OPEN)
    _look(analyst, first, do="start", **{"day_first": "true", "score.2": "score_nps"})
    read_all(work)
    again = _send(analyst, OPEN)
    assert "The same file was sent before" in again.text
    assert first.url.path in again.text


def test_an_import_of_the_api_can_be_begun_from_the_page(browser: Browser, client: Any, work: Work) -> None:
    asked = client.post("/v1/imports", content=OPEN.encode(), params={"filename": "api.csv"}).json()
    assert asked["state"] == "needs_input"
    analyst = browser("analyst")
    page = analyst.get(f"/sources/imports/{asked['id']}")
    _look(analyst, page, do="start", **{"day_first": "false", "score.2": "score_nps"})
    assert read_all(work) == 1


def test_formulas_without_a_value_are_said_before_and_after(browser: Browser, work: Work) -> None:
    names = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in ("id", "comment", "plan"))
    sheet = f'<row r="1">{names}</row>' + "".join(
        f'<row r="{number}"><c><v>{number}</v></c><c t="inlineStr"><is><t>Far too slow.</t></is></c>'
        "<c><f>VLOOKUP(A1,B:C,2)</f></c></row>"
        for number in range(2, 7)
    )
    analyst = browser("analyst")
    sent = _send(analyst, by_hand(sheet), "shops.xlsx")
    assert "Column «plan»: 5 of its cells have a formula" in html.unescape(sent.text)
    _look(analyst, sent, "start")
    assert read_all(work) == 1
    assert "Column «plan»: 5 of its cells have a formula" in html.unescape(analyst.get(sent.url.path).text)
