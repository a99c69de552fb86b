"""The mapping of «any other tool» as a form: one row per field, and back to the sender's options."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from service.errors import BadInput, FieldError
from service.ingest.incoming import MAX_ATTRIBUTE_CHARS
from service.ingest.senders.mapped_options import Fields, MappedOptions
from service.ingest.senders.paths import read_path

# what the form of the mapping says; the other options of that sender stand on the address's own page
OF_MAPPING = frozenset(
    {
        "items",
        "fields",
        "attributes",
        "filters",
        "html",
        "channel",
        "score_kind",
        "score_min",
        "score_max",
        "score_words",
    }
)
FIELD_WORDS = {
    "text": ("What the customer says", "This or the score is needed."),
    "score": ("Score", ""),
    "external_id": ("Id of the message or answer", "So that what is sent twice stays one."),
    "occurred_at": ("When it was said", ""),
    "updated_at": ("When it was last changed", "Puts deliveries that overtake each other in order."),
    "respondent": ("Who said it", "An id or e-mail address; kept as a pseudonym."),
    "conversation_id": ("Conversation or ticket", ""),
    "response_id": ("Survey response", "Joins several answers of one person."),
}
MORE_WORDS = {
    "title": ("Title", "Put in front of the text."),
    "question": ("Question that was answered", ""),
    "url": ("Link to it", ""),
    "language": ("Language", ""),
    "translation": ("Translation", ""),
    "channel": ("Kind of channel", ""),
    "touchpoint": ("Touchpoint", ""),
    "stage": ("Stage of the journey", ""),
    "value": ("Value of the customer", "A number, in your currency."),
}
CONDITIONS = (
    ("is", "is"),
    ("is_not", "is not"),
    ("in", "is one of (commas)"),
    ("contains", "contains"),
    ("exists", "is there"),
    ("missing", "is not there"),
)
SPARE_ROWS = 3
MAX_ROWS = 30

assert set(FIELD_WORDS) | set(MORE_WORDS) == set(Fields.model_fields)  # a new field needs its words


def form_of(options: Mapping[str, Any]) -> dict[str, str]:
    """The options of a mapping as the form's fields; attributes and filters by their place."""
    known = MappedOptions.model_validate(options).model_dump(mode="json")
    form = {"items": known["items"], "html": "true" if known["html"] else ""}
    form |= {"channel": known["channel"], "score_kind": known["score_kind"]}
    form |= {f"fields.{name}": path for name, path in known["fields"].items()}
    for name in ("score_min", "score_max"):
        form[name] = "" if known[name] is None else f"{known[name]:g}"
    form["score_words"] = "\n".join(f"{word} = {points:g}" for word, points in known["score_words"].items())
    for place, (name, path) in enumerate(known["attributes"].items()):
        form |= {f"attribute.{place}.name": name, f"attribute.{place}.path": path}
    for place, one in enumerate(known["filters"]):
        condition, value = next((name, one[name]) for name in one if name != "path")
        if condition == "exists":
            condition, value = ("exists" if value else "missing"), ""
        form |= {f"filter.{place}.path": one["path"], f"filter.{place}.condition": condition}
        form[f"filter.{place}.value"] = _listed(value) if condition == "in" else _plain(value)
    return form


def options_from(form: Mapping[str, str]) -> dict[str, Any]:
    """The form as options of the mapping; BadInput naming what can't be read. Empty rows are left out."""
    text = {name: value.strip() for name, value in form.items()}
    options: dict[str, Any] = {
        "items": text.get("items", ""),
        "fields": {name: text.get(f"fields.{name}", "") for name in Fields.model_fields},
        "attributes": _attributes(text),
        "filters": _filters(text),
        "html": text.get("html") == "true",
        "score_words": _points(text.get("score_words", "")),
    }
    options |= {name: text[name] for name in ("channel", "score_kind", "score_min", "score_max") if text.get(name)}
    return options


def rows_of(form: Mapping[str, str], kind: str) -> list[dict[str, str]]:
    """The filled rows of a kind ("attribute", "filter"), numbered as their options are, and spare ones."""
    found = []
    for place in range(MAX_ROWS):
        row = {
            part: form.get(f"{kind}.{place}.{part}", "").strip() for part in ("name", "path", "condition", "value")
        }
        if row["name"] or row["path"] or row["value"]:
            found.append(row)
    spare = dict.fromkeys(("name", "path", "condition", "value"), "")
    return [*found, *(dict(spare) for _ in range(max(0, min(SPARE_ROWS, MAX_ROWS - len(found)))))]


def _attributes(form: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in rows_of(form, "attribute"):
        if not row["path"]:
            continue
        # named like the last name in its path where nobody said otherwise
        name = row["name"] or _last_name(row["path"])
        if name in found:
            raise _bad("/options/attributes", f"there are two attributes «{name}»")
        found[name] = row["path"]
    return found


def _last_name(path: str) -> str:
    try:
        names = [step for step in read_path(path).steps if isinstance(step, str)]
    except ValueError:
        return path  # the check of the options says what is wrong with it
    return (names[-1] if names else path)[:MAX_ATTRIBUTE_CHARS]


def _filters(form: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    for place, row in enumerate(rows_of(form, "filter")):
        if not row["path"]:
            if row["value"]:
                raise _bad(f"/options/filters/{place}/path", "say where the value stands")
            continue
        condition, value = row["condition"] or "is", row["value"]
        if condition in ("exists", "missing"):
            found.append({"path": row["path"], "exists": condition == "exists"})
            continue
        if not value:
            raise _bad(f"/options/filters/{place}/value", "say what it has to be, or choose «is there»")
        several = next(csv.reader([value], skipinitialspace=True)) if condition == "in" else []
        found.append({"path": row["path"], condition: several if condition == "in" else value})
    return found


def _points(text: str) -> dict[str, float]:
    found = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        word, _, points = line.rpartition("=")
        try:
            found[word.strip()] = float(points.replace(",", "."))
        except ValueError:
            word = ""
        if not word.strip():
            raise _bad("/options/score_words", "write one word a line with its number, as in «good = 5»")
    return found


def _bad(pointer: str, detail: str) -> BadInput:
    return BadInput(detail, errors=[FieldError(pointer, "bad", detail)])


def _listed(values: list[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([_plain(one) for one in values])
    return line.getvalue().replace(",", ", ") if '"' not in line.getvalue() else line.getvalue()


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
