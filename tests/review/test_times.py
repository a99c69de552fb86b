"""Moments on pages: named in the workspace's zone, ready to be told in the reader's."""

from __future__ import annotations

from datetime import UTC, datetime

from service.review.render import environment

AT = datetime(2026, 7, 2, 22, 30, 5, tzinfo=UTC)


def _shown(expression: str) -> str:
    return environment().from_string("{{ " + expression + " }}").render(at=AT, said="2026-07-02T22:30:05Z")


def test_a_moment_says_its_zone_and_can_be_read_by_script() -> None:
    assert _shown("at|moment") == (
        '<time datetime="2026-07-02T22:30:05Z" data-moment="">2 Jul 2026, 22:30:05 UTC</time>'
    )
    assert ">3 Jul 2026, 00:30:05 CEST<" in _shown("said|moment('Europe/Berlin')")
    assert 'datetime="2026-07-02T22:30:05Z"' in _shown("said|moment('Europe/Berlin')")


def test_attributes_and_clocks() -> None:
    assert _shown("at|moment_text('Asia/Tokyo')") == "3 Jul 2026, 07:30:05 JST"
    assert _shown("at|clock") == '<time datetime="2026-07-02T22:30:05Z" data-moment="clock">22:30 UTC</time>'
