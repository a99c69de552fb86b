"""The routes of imports: what is taken, what is refused and how, who may see what."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.app import create_app
from service.ingest.import_files import default_source
from service.settings import Settings
from service.store.engine import Database
from service.store.schema import FileImport, IdempotencyKey, Job
from service.work import Work
from tests.ingest.importing import imported, read_all, rows
from tests.ingest.rows import stored
from tests.ingest.test_files_xlsx import by_hand

FIXTURES = Path(__file__).parent / "fixtures" / "generic"
ADDRESS = "/v1/imports"
CONTENT = b"id,date,nps,comment\n1,2026-11-02,9,fine\n2,never,9,words of a customer\n3,2026-11-02,,\n"
FIELDS = {
    "id",
    "state",
    "rows",
    "items",
    "tagged",
    "progress",
    "questions",
    "created_at",
    "finished_at",
    "error",
}


def kept(settings: Settings) -> list[Path]:
    return list(settings.imports_dir.iterdir()) if settings.imports_dir.exists() else []


def code_of(answer: Any) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(body)
    return answer.status_code, body["errors"][0]["code"]


def test_the_answer_has_the_contracts_shape_from_the_start(client: Any) -> None:
    answer = client.post(ADDRESS, content=CONTENT, params={"filename": "x.csv"})
    assert answer.status_code == 202
    assert set(answer.json()) >= FIELDS
    assert answer.json() == client.get(answer.headers["location"]).json()


def test_a_form_and_a_plain_body_are_the_same(client: Any, settings: Settings) -> None:
    form = client.post(
        ADDRESS, files={"file": ("märz.csv", CONTENT, "text/csv")}, data={"channel": "call", "source": "form"}
    )
    assert form.status_code == 202
    assert (form.json()["filename"], form.json()["source"]) == ("märz.csv", "form")
    plain = client.post(ADDRESS, content=CONTENT, headers={"content-type": "text/csv"})
    assert (plain.json()["filename"], plain.json()["source"]) == ("upload.csv", "upload")
    assert [path.read_bytes() for path in kept(settings)] == [CONTENT, CONTENT]


def test_the_query_wins_over_the_form(client: Any) -> None:
    answer = client.post(ADDRESS, files={"file": ("x.csv", CONTENT)}, data={"source": "a"}, params={"source": "b"})
    assert answer.json()["source"] == "b"


def test_a_big_form_is_not_held_in_memory_and_arrives_whole(client: Any, settings: Settings) -> None:
    content = b"id,text\n" + b"".join(b"%d,some words --boundary-- %d\r\n" % (n, n) for n in range(200_000))
    assert client.post(ADDRESS, files={"file": ("x.csv", content)}).status_code == 202
    assert kept(settings)[0].read_bytes() == content


@pytest.mark.parametrize("form", [False, True])
def test_a_packed_upload_is_unpacked_on_its_way(client: Any, settings: Settings, form: bool) -> None:
    packed = {"content-encoding": "gzip"}
    request = client.build_request("POST", ADDRESS, files={"file": ("x.csv", CONTENT)} if form else None)
    kind = request.headers.get("content-type", "text/csv")
    body = request.read() if form else CONTENT
    headers = packed | {"content-type": kind}
    assert client.post(ADDRESS, content=gzip.compress(body), headers=headers).status_code == 202
    assert [path.read_bytes() for path in kept(settings)] == [CONTENT]
    refused = client.post(ADDRESS, content=gzip.compress(body)[:-9], headers=headers)
    assert code_of(refused) == (422, "bad_gzip")
    client.http.app.state.settings = settings.model_copy(update={"max_unpacked_bytes": 50})
    assert client.post(ADDRESS, content=gzip.compress(body), headers=headers).status_code == 413
    assert client.post(ADDRESS, content=body, headers=headers | {"content-encoding": "br"}).status_code == 415
    assert len(kept(settings)) == 1


def test_a_wrong_encoding_that_was_told_is_shown_by_the_dry_run(client: Any) -> None:
    content = "id,comment\n1,caf\xe9 again\n2,fine\n".encode("cp1252")
    shown = client.post(ADDRESS, content=content, params={"dry_run": True, "encoding": "utf-8"})
    assert shown.status_code == 200
    assert [one["code"] for one in shown.json()["rejected"]] == ["bad_encoding"]
    assert shown.json()["mapping"][1]["examples"] == ["caf\ufffd again", "fine"]


def test_a_delimiter_that_is_told_may_be_any_sign(client: Any) -> None:
    shown = client.post(ADDRESS, content=CONTENT.replace(b",", b"^"), params={"dry_run": True, "delimiter": "^"})
    assert (shown.json()["delimiter"], shown.json()["items"][0]["text"]) == ("^", "fine")


def test_a_dry_run_says_what_would_happen_and_stores_nothing(
    client: Any, settings: Settings, database: Database
) -> None:
    answer = client.post(ADDRESS, content=CONTENT, params={"filename": "shop.csv", "dry_run": "true"})
    assert answer.status_code == 200
    shown = answer.json()
    assert (shown["format"], shown["encoding"], shown["delimiter"], shown["preset"]) == (
        "csv",
        "utf-8",
        ",",
        "generic",
    )
    assert [(use["column"], use["field"]) for use in shown["mapping"]] == [
        ("id", "external_id"),
        ("date", "occurred_at"),
        ("nps", "score_nps"),
        ("comment", "text"),
    ]
    assert all(0 < use["confidence"] <= 1 for use in shown["mapping"])
    assert shown["items"][0]["text"] == "fine"
    assert shown["items"][0]["source"] == "shop"
    assert shown["rows"] == {"checked": 3, "rejected": 1, "empty": 1, "complete": True}
    assert shown["rejected"] == [
        {
            "row": 2,
            "code": "bad_time",
            "detail": "«date» holds no time that can be read. Write it like 2026-11-20 14:30.",
        }
    ]
    assert (kept(settings), stored(database, FileImport), stored(database, Job)) == ([], 0, 0)


def test_a_dry_run_of_many_bad_rows_shows_the_first_twenty(client: Any) -> None:
    content = b"id,nps\n" + b"".join(b"%d,x\n" % n for n in range(50))
    shown = client.post(ADDRESS, content=content, params={"dry_run": True}).json()
    assert (shown["rows"]["rejected"], len(shown["rejected"])) == (50, 20)


def test_a_dry_run_shows_the_questions(client: Any) -> None:
    shown = client.post(ADDRESS, content=b"a,b\n1,2\n", params={"dry_run": True}).json()
    assert [question["id"] for question in shown["questions"]] == ["text"]


REFUSED: list[tuple[bytes, dict[str, str], str]] = [
    (b"", {}, "empty_file"),
    (b"id,comment\n", {}, "no_rows"),
    (gzip.compress(b"id,comment\n1,x\n", mtime=0)[:-6], {}, "file_breaks_off"),
    (b"%PDF-1.7", {}, "unsupported_format"),
    (CONTENT, {"preset": "surveyzilla"}, "unknown_preset"),
    (CONTENT, {"encoding": "klingon"}, "unknown_encoding"),
    (CONTENT, {"delimiter": "||"}, "unknown_delimiter"),
    (CONTENT, {"timezone": "Mars/Olympus"}, "unknown_timezone"),
    (CONTENT, {"mapping": "{not json"}, "bad_mapping"),
    (CONTENT, {"mapping": "[1]"}, "bad_mapping"),
    (CONTENT, {"mapping": '{"nope": "text"}'}, "unknown_column"),
    (CONTENT, {"mapping": '{"comment": "txt"}'}, "unknown_field"),
    (CONTENT, {"channel": "fax"}, "literal_error"),
    (CONTENT, {"on_error": "explode"}, "literal_error"),
    (CONTENT, {"dry_run": "maybe"}, "bool_parsing"),
    (CONTENT, {"nonsense": "1"}, "extra_forbidden"),
]


@pytest.mark.parametrize("dry_run", [False, True])
def test_bad_input_gets_the_contracts_error_and_leaves_nothing(
    client: Any, settings: Settings, database: Database, dry_run: bool
) -> None:
    for content, query, code in REFUSED:
        params = query if "dry_run" in query else {**query, "dry_run": str(dry_run)}
        answer = client.post(ADDRESS, content=content, params=params)
        assert code_of(answer) == (422, code), (query, answer.text)
        assert b"customer" not in answer.content
    assert (kept(settings), stored(database, FileImport)) == ([], 0)


def test_an_unknown_preset_names_those_that_are_known(client: Any) -> None:
    assert "generic" in client.post(ADDRESS, content=CONTENT, params={"preset": "nope"}).json()["detail"]


def test_broken_forms_are_refused(client: Any, settings: Settings) -> None:
    kind = "multipart/form-data; boundary=x"
    part = b"--x\r\ncontent-disposition: form-data; name=f"
    forms = [
        (b"no form at all", kind, "bad_form"),
        (part + b"\r\n\r\n1\r\n--x--\r\n", kind, "no_file"),
        (part + b"; filename=a\r\n\r\nid,text\n1,half a fi", kind, "bad_form"),
        (b"", "multipart/form-data", "bad_form"),
    ]
    for body, content_type, code in forms:
        answer = client.post(ADDRESS, content=body, headers={"content-type": content_type})
        assert code_of(answer) == (422, code)
    assert kept(settings) == []


def test_two_files_in_a_form_are_refused(client: Any, settings: Settings) -> None:
    answer = client.post(ADDRESS, files=[("a", ("a.csv", CONTENT)), ("b", ("b.csv", CONTENT))])
    assert code_of(answer) == (422, "bad_form")
    assert kept(settings) == []


def test_a_file_beyond_the_limit_is_refused_while_it_comes(
    client_of: Callable[..., Any], settings: Settings, database: Database
) -> None:
    client = client_of()
    app = create_app(settings.model_copy(update={"max_import_bytes": 2000}))
    client.http.app = app
    client.http._transport.app = app

    def endless() -> Any:
        for _ in range(100):
            yield b"1,words\n" * 100

    for body in (b"x" * 3000, endless()):
        answer = client.post(ADDRESS, content=body)
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"
    assert kept(settings) == []
    app.state.database.dispose()


def test_the_caller_is_known_before_a_byte_is_read(client_of: Callable[..., Any], settings: Settings) -> None:
    read = 0

    def body() -> Any:
        nonlocal read
        read += 1
        yield CONTENT

    client = client_of()
    for headers, status in (({"authorization": "Bearer jm_wrong"}, 401), ({"authorization": "Basic x"}, 401)):
        assert client.post(ADDRESS, content=body(), headers=headers).status_code == status
    assert client_of(scopes=("read",)).post(ADDRESS, content=body()).status_code == 403
    assert kept(settings) == []


def test_a_file_name_leads_nowhere(client: Any, settings: Settings) -> None:
    answer = client.post(ADDRESS, content=CONTENT, params={"filename": "../../etc/passwd\n.csv"})
    assert answer.json()["filename"] == "passwd.csv"
    assert [path.parent for path in kept(settings)] == [settings.imports_dir]


@pytest.mark.parametrize(
    ("filename", "source"),
    [
        ("shop.csv", "shop"),
        ("shop.2026.csv.gz", "shop.2026"),
        ("C:\\data\\shop.zip", "shop"),
        ("march-rejected.csv", "march"),
        (".csv", ".csv"),
        ("", "import"),
    ],
)
def test_the_source_is_the_files_name(filename: str, source: str) -> None:
    assert default_source(filename) == source


def test_imports_are_listed_newest_first_page_by_page(client: Any) -> None:
    ids = [client.post(ADDRESS, content=CONTENT).json()["id"] for _ in range(5)]
    first = client.get(ADDRESS, params={"limit": 3}).json()
    assert [one["id"] for one in first["data"]] == ids[:1:-1]
    second = client.get(ADDRESS, params={"limit": 3, "cursor": first["next"]}).json()
    assert [one["id"] for one in second["data"]] == ids[1::-1]
    assert second["next"] is None
    assert set(first["data"][0]) >= FIELDS


def test_another_workspaces_import_does_not_exist(client_of: Callable[..., Any], work: Work) -> None:
    ours, theirs = client_of("ours"), client_of("theirs")
    shown = imported(ours, work, CONTENT)
    for number in (shown["id"], "999999", "abc", "-1", "9" * 30):
        caller = theirs if number == shown["id"] else ours
        base = f"{ADDRESS}/{number}"
        answers = [
            caller.get(base),
            caller.get(f"{base}/rejected.csv"),
            caller.put(f"{base}/mapping", json={}),
            caller.post(f"{base}/cancel"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 4
        assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert theirs.get(ADDRESS).json()["data"] == []


def test_who_may_do_what(client_of: Callable[..., Any], work: Work) -> None:
    admin = client_of()
    shown = imported(admin, work, CONTENT)
    base = f"{ADDRESS}/{shown['id']}"
    for scopes, seen, changed in ((("ingest",), 200, 409), (("read",), 200, 403)):
        caller = client_of(scopes=scopes)
        assert caller.get(base).status_code == seen
        assert caller.get(ADDRESS).status_code == seen
        assert caller.get(f"{base}/rejected.csv").status_code == seen
        assert caller.post(f"{base}/cancel").status_code == changed
        assert caller.put(f"{base}/mapping", json={}).status_code == changed
    outsider = client_of(scopes=("admin",))
    assert [outsider.get(path).status_code for path in (base, ADDRESS, f"{base}/rejected.csv")] == [403] * 3


def test_bad_answers_to_questions_are_refused(client: Any) -> None:
    shown = client.post(ADDRESS, content=b"a,b\n1,2\n").json()
    address = f"{ADDRESS}/{shown['id']}/mapping"
    bad: list[Any] = [
        {"nope": 1},
        {"mapping": {"a": "txt"}},
        {"mapping": {"zzz": "text"}},
        {"timezone": "x"},
        [],
        "x",
    ]
    for body in bad:
        answer = client.put(address, json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert client.put(address, content=b"{").status_code == 422
    assert client.get(f"{ADDRESS}/{shown['id']}").json()["state"] == "needs_input"


def test_the_same_key_sends_a_file_once(client: Any, settings: Settings, database: Database, work: Work) -> None:
    headers = {"Idempotency-Key": "file-1"}
    first = client.post(ADDRESS, content=CONTENT, headers=headers)
    again = client.post(ADDRESS, content=CONTENT, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert client.post(ADDRESS, content=CONTENT + b"4,,,x\n", headers=headers).status_code == 422
    assert (stored(database, FileImport), stored(database, IdempotencyKey), len(kept(settings))) == (1, 1, 1)
    assert read_all(work) == 1


def test_no_refused_rows_are_an_empty_table(client: Any, work: Work) -> None:
    done = imported(client, work, b"id,comment\n1,fine\n")
    assert done["rows"] == rows(read=1, accepted=1)
    answer = client.get(f"{ADDRESS}/{done['id']}/rejected.csv")
    assert answer.content.decode("utf-8-sig") == "_row,_code,_detail,id,comment\r\n"


def test_every_route_is_in_the_document_with_an_example(client: Any) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    post = paths["/v1/imports"]["post"]
    assert {one["name"] for one in post["parameters"]} >= {"filename", "preset", "mapping", "dry_run", "on_error"}
    assert "example" in post["requestBody"]["content"]["application/octet-stream"]
    assert {"200", "202"} <= set(post["responses"])
    put = paths["/v1/imports/{import_id}/mapping"]["put"]
    assert "example" in put["requestBody"]["content"]["application/json"]
    assert "text/csv" in paths["/v1/imports/{import_id}/rejected.csv"]["get"]["responses"]["200"]["content"]
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert all("example" in schemas[name] for name in ("ImportAnswer", "ImportList", "DryRun"))
    # FastAPI leaves what is null out of examples
    assert set(schemas["ImportAnswer"]["example"]) | {"finished_at", "error"} == set(
        schemas["ImportAnswer"]["properties"]
    )


def test_formulas_without_a_value_are_said_before_and_after(client: Any, work: Work) -> None:
    head = "".join(f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in ("id", "comment", "plan"))
    sheet = f'<row r="1">{head}</row>' + "".join(
        f'<row r="{number}"><c><v>{number}</v></c><c t="inlineStr"><is><t>The words.</t></is></c>'
        "<c><f>VLOOKUP(A1,B:C,2)</f></c></row>"
        for number in range(2, 7)
    )
    workbook = by_hand(sheet)
    tried = client.post(ADDRESS, content=workbook, params={"filename": "f.xlsx", "dry_run": "true"})
    done = imported(client, work, workbook, "f.xlsx")
    for notes in (tried.json()["notes"], done["notes"]):
        (note,) = notes
        assert "«plan»" in note
        assert "5 of its cells" in note
    assert imported(client, work, CONTENT, "plain.csv")["notes"] == []
