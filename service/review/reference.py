"""`/docs`: the reference of every route, drawn from the OpenAPI document by the server, without script or CDN."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.auth import Caller
from service.dependencies import COOKIE, DatabaseOf, get_caller
from service.errors import Unauthorized
from service.review.render import page

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def reference(request: Request, database: DatabaseOf) -> HTMLResponse:
    """Every route with its parameters, body and answers, an example each; whoever is signed in keeps the menu."""
    document: dict[str, Any] = request.app.openapi()
    caller = _signed_in(request, database)
    return page("reference.html", {"caller": caller, "document": document, "groups": groups(document)})


def _signed_in(request: Request, database: DatabaseOf) -> Caller | None:
    """The person who reads, None for anybody else: the reference is open to all."""
    if COOKIE not in request.cookies:
        return None
    try:
        return get_caller(request, database)
    except Unauthorized:
        return None


def groups(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The document's operations by tag, with their examples as text."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = _content(operation.get("requestBody", {}))
            tag = operation.get("tags", ["other"])[0]
            found.setdefault(tag, []).append(
                {
                    "id": operation["operationId"],
                    "method": method.upper(),
                    "path": path,
                    "summary": operation.get("summary", ""),
                    "description": operation.get("description", ""),
                    "parameters": operation.get("parameters", []),
                    "body": _example(body),
                    "answers": [
                        {
                            "status": status,
                            "description": answer.get("description", ""),
                            "example": _example(_content(answer)),
                        }
                        for status, answer in operation.get("responses", {}).items()
                    ],
                }
            )
    return found


def _content(holder: dict[str, Any]) -> dict[str, Any]:
    content = holder.get("content", {})
    first: dict[str, Any] = next(iter(content.values()), {})
    return first


def _example(content: dict[str, Any]) -> str:
    example = content.get("example")
    if example is None and content.get("examples"):
        example = next(iter(content["examples"].values())).get("value")
    if example is None:
        schema_examples = content.get("schema", {}).get("examples")
        example = schema_examples[0] if schema_examples else None
    if example is None:
        return ""
    return example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
