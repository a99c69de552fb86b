"""Texts that people type into a field: without what a database can't keep, and never blank."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def _said(text: str) -> str:
    """Without NUL, which PostgreSQL can't store, and without blank ends; nothing but blanks is refused."""
    text = text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8").strip()
    if not text:
        raise ValueError("must not be blank")
    return text


Said = Annotated[str, AfterValidator(_said), Field(max_length=2000)]
Short = Annotated[str, AfterValidator(_said), Field(max_length=200)]
