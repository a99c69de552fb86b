"""What a form asks for the options and credentials of a sender: from their models, and back from what was sent."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel

from service.errors import BadInput, FieldError

SHORT = {one.lower(): one for one in ("API", "CSAT", "HTML", "URL")}
Asked = dict[str, Any]  # one field of a form: name, words, default, choices, whether it is JSON or lines


def fields_of(model: type[BaseModel] | None, *, without: Collection[str] = ()) -> list[Asked]:
    """What a form asks for each field of a model; a model within it has its own fields in `parts`."""
    if model is None:
        return []
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    return [
        _field(model, name, schema["properties"][name], definitions)
        for name in model.model_fields
        if name not in without
    ]


def _field(model: type[BaseModel], name: str, told: Mapping[str, Any], definitions: Mapping[str, Any]) -> Asked:
    field = model.model_fields[name]
    variants = [told, *told.get("anyOf", [])]
    variants += [definitions[one["$ref"].rpartition("/")[2]] for one in variants if "$ref" in one]
    default = field.get_default(call_default_factory=True) if not field.is_required() else None
    inner = _model_in(field.annotation)
    nested = any(one.get("type") in ("object", "array") for one in variants)
    return {
        "name": name,
        "title": _title(name),
        "about": field.description or "",
        "required": field.is_required(),
        "nested": nested and inner is None,
        "lines": any(one.get("type") == "array" and _of_texts(one) for one in variants),
        "parts": fields_of(inner),
        "choices": next((one["enum"] for one in variants if "enum" in one), None),
        "switch": any(one.get("type") == "boolean" for one in variants),
        "default": shown(default, nested=nested),
    }


def _title(name: str) -> str:
    words = name.replace("_", " ").capitalize().split(" ")
    return " ".join(SHORT.get(one.lower(), one) for one in words)


def _of_texts(told: Mapping[str, Any]) -> bool:
    return bool(told.get("items", {}).get("type") == "string")


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field may hold; None for lists, objects with any names, and plain values."""
    options = [annotation, *getattr(annotation, "__args__", ())]
    if getattr(annotation, "__origin__", None) in (list, dict):
        return None
    return next((one for one in options if isinstance(one, type) and issubclass(one, BaseModel)), None)


def shown(value: Any, *, nested: bool) -> str:
    """A value as it stands in its field of the form."""
    if value is None or (nested and not value):
        return ""
    if nested and isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    if nested:
        return json.dumps(value, ensure_ascii=False, indent=1, default=dict)
    return str(value).lower() if isinstance(value, bool) else str(value)


def filled(group: str, fields: list[Asked], values: Mapping[str, Any]) -> dict[str, str]:
    """The form's fields as they stand now."""
    found: dict[str, str] = {}
    for field in fields:
        value, key = values.get(field["name"]), f"{group}.{field['name']}"
        if field["parts"]:
            found |= filled(key, field["parts"], value or {})
        else:
            found[key] = shown(value, nested=field["nested"])
    return found


def asked_of(group: str, fields: list[Asked], form: Mapping[str, str]) -> dict[str, Any]:
    """What was filled in, as the API takes it; empty fields are not in it. BadInput where one is no JSON."""
    given: dict[str, Any] = {}
    for field in fields:
        key = f"{group}.{field['name']}"
        if field["parts"]:
            if any(_is_written(f"{key}.{part['name']}", part, form) for part in field["parts"]):
                given[field["name"]] = asked_of(key, field["parts"], form)
            continue
        text = form.get(key, "").strip()
        if field["switch"]:
            text = text or "false"
        if text:
            given[field["name"]] = _value(key, field, text)
    return given


def _is_written(key: str, part: Asked, form: Mapping[str, str]) -> bool:
    """Whether somebody wrote into it: a list to choose from always says something."""
    text = form.get(key, "").strip()
    return bool(text) and not part["choices"] and not part["switch"] and text != part["default"]


def _value(key: str, field: Asked, text: str) -> Any:
    if not field["nested"]:
        return text
    if field["lines"] and not text.startswith("["):
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return lines if len(lines) > 1 or "," not in text else [one.strip() for one in text.split(",")]
    try:
        return json.loads(text)
    except ValueError as error:
        detail = "this is not JSON; see the example in the field's description"
        raise BadInput(detail, errors=[FieldError("/" + key.replace(".", "/"), "not_json", detail)]) from error
