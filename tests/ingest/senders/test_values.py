"""Values as senders write them."""

from __future__ import annotations

from typing import Any

import pytest

from service.ingest.senders.quotes import opening_subject, own_words, plain_reply
from service.ingest.senders.values import (
    identifier,
    inner,
    listed,
    moment,
    moment_after,
    number,
    stars,
    text_of_either,
    text_of_html,
    words,
)


@pytest.mark.parametrize(
    "value",
    [
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59-12:00",
        0,
        10**400,
        -(10**400),
        float("inf"),
        float("nan"),
        "soon",
        "3/4/2026 10:00",  # day or month first?
        {},
    ],
)
def test_a_time_that_the_contract_does_not_take_is_none(value: Any) -> None:
    assert moment(value) is None


@pytest.mark.parametrize(
    "value",
    [
        1795165985,
        "1795165985000",
        1795165985000000,
        "1795165985000000000",
        "Fri, 20 Nov 2026 10:13:05 +0100",
        "2026-11-20 09:13:05 UTC",
        "2026-11-20T04:13:05.0000000-0500",
        "2026/11/20 09:13:05",
        "20.11.2026 09:13:05",
        "Nov 20, 2026 9:13:05 AM",
    ],
)
def test_one_moment_in_the_forms_of_many_tools(value: Any) -> None:
    assert moment(value) == "2026-11-20T09:13:05+00:00"


def test_a_moment_after_is_later_by_a_hair() -> None:
    assert moment_after("2026-11-20T09:14:03+00:00", 2) == "2026-11-20T09:14:03.000002+00:00"
    assert moment_after("2026-11-20T09:14:03+00:00", 0) == "2026-11-20T09:14:03+00:00"
    assert moment_after(None, 1) is None


def test_stars_are_numbers_from_one_to_five_also_as_text() -> None:
    assert stars(4) == {"kind": "stars", "value": 4, "scale_min": 1, "scale_max": 5}
    assert (stars("4.5") or {})["value"] == 4.5
    for other in (0, 6, True, None, "", "five", float("nan"), [5], 10**400):
        assert stars(other) is None


def test_numbers_are_read_from_text_too() -> None:
    assert [number(one) for one in (4, "4", " 4.5 ", 0, "-1")] == [4, 4, 4.5, 0, -1]
    assert [number(one) for one in (None, True, "", "four", "nan", "inf", [], {}, 10**400)] == [None] * 9


def test_a_path_that_leads_nowhere_is_none() -> None:
    value = {"a": {"b": 1, "c": None}}
    assert inner(value, "a", "b") == 1
    assert inner(value, "a", "b", "c") is inner(value, "x") is inner(None, "a") is inner([1], "a") is None


def test_the_subject_of_a_reply_only_repeats_the_first() -> None:
    assert opening_subject(" Refund is late ") == "Refund is late"
    assert opening_subject("Regarding: refund") == "Regarding: refund"
    for repeated in ("Re: Refund", "AW:Refund", "RE[2]: Refund", "Fwd: Refund", "sv : Refund"):
        assert opening_subject(repeated) is None
    for nothing in (None, "", "  ", 4, ["Refund"]):
        assert opening_subject(nothing) is None


def test_ids_are_strings_that_can_be_stored() -> None:
    assert identifier(10**18 + 1) == "1000000000000000001"
    assert identifier(5000.0) == "5000"
    assert identifier(" a-1 ") == "a-1"
    assert identifier("a\ud83d") == "a?"
    for nothing in (None, "", " ", True, [], {}, [1]):
        assert identifier(nothing) is None


def test_an_id_is_short_text_and_words_say_something() -> None:
    assert identifier(9007199254740993) == "9007199254740993"
    assert identifier(81.0) == identifier(" 81 ") == "81"
    no_ids: tuple[Any, ...] = (None, True, "", " ", "\x00", [], {}, "x" * 513)
    for nothing in no_ids:
        assert identifier(nothing) is None
    assert words(" late\x00 ") == "late"
    no_words: tuple[Any, ...] = (None, "", " \n", "\x00", 7, ["late"])
    for silent in no_words:
        assert words(silent) is None


def test_a_plain_reply_comes_without_what_it_quotes() -> None:
    assert plain_reply("Thanks\n\nOn Monday Acme wrote:\n\n> hello\n> again") == "Thanks"
    assert plain_reply("> is it late?\nYes, a week.\n> lost?\nNo.") == "Yes, a week.\nNo."
    assert plain_reply("Bitte um Geld\n\nVon: Acme\nGesendet: Montag\nAn: Kundin\n\nHallo") == "Bitte um Geld"
    assert plain_reply("Danke\n-----Ursprüngliche Nachricht-----\nHallo") == "Danke"
    assert plain_reply("From: all the shops, yours is best") == "From: all the shops, yours is best"
    assert plain_reply("He wrote:\nnothing") == "He wrote:\nnothing"
    for nothing in (None, "", "> only\n> quoted", 5):
        assert plain_reply(nothing) is None


def test_a_reply_comes_without_the_forms_in_which_mail_programs_quote() -> None:
    gmail = (
        "Still broken\n\nOn Fri, Nov 20, 2026 at 10:00 AM Acme <help@acme.example> wrote:\n\n> Hello\n> again\n"
    )
    assert own_words(gmail) == "Still broken"
    assert own_words(gmail + "\nAnd one more thing") == "Still broken\n\nAnd one more thing"
    broken = "Noch immer\n\nAm Fr., 20. Nov. 2026 um 10:00 Uhr schrieb Acme <\nhelp@acme.example>:\n\n> Hallo"
    assert own_words(broken) == "Noch immer"
    unmarked = "Encore\n\nLe ven. 20 nov. 2026 à 10:00, Acme <a@acme.example> a écrit\xa0:\n\nBonjour"
    assert own_words(unmarked) == "Encore"
    assert own_words("Mine\n________________________________\nFrom: Acme <a@b>\nSent: Friday\n\nTheirs") == "Mine"
    assert own_words("Mine\n\n##- Bitte geben Sie Ihre Antwort oberhalb dieser Zeile ein -##\n\nTheirs") == "Mine"
    outlook = (
        '<p class="MsoNormal">Mine &amp; more</p><div style="border-top:solid 1.0pt"><p><b>From:</b> Acme<br>'
        "<b>Sent:</b> Friday<br><b>To:</b> Jane</p></div><p>Theirs</p>"
    )
    assert own_words(outlook) == "Mine & more"
    assert own_words('<div>Mine</div><hr><div id="divRplyFwdMsg">From: Acme</div><div>Theirs</div>') == "Mine"
    apple = "<div>Mine</div><div>On 20 Nov 2026, at 10:00, Acme wrote:</div><blockquote>Theirs</blockquote>"
    assert own_words(apple) == "Mine"


def test_what_only_looks_like_a_quote_stays() -> None:
    for mine in (
        ">50 % of my orders fail",
        "On Monday your agent wrote:\nwe pay\nBut you did not.",
        "From: all the shops, yours is best",
        "I told him on 3 Nov at 10:00: no",
    ):
        assert own_words(mine) == mine


def test_what_stands_between_angle_brackets_in_plain_text_stays() -> None:
    for plain in ("write to <jane@example.com>, please", "List<String> breaks", "x<y & 5 > 3", "I <3 it"):
        assert text_of_html(plain) == plain
    assert text_of_html("AT&amp;T <b>is</b> down<br/>again") == "AT&T is down\nagain"


def test_a_list_of_names_may_come_as_one_text() -> None:
    assert listed(" a, b\nc ,") == ["a", "b", "c"]
    assert listed("") == []
    assert listed(["a b"]) == ["a b"]


def test_who_wrote_what_is_quoted_is_not_the_customer_however_the_mail_program_says_it() -> None:
    for said in (
        "On Wed, Nov 4, 2026 at 9:00 AM Acme Support <help@acme.example> wrote:",
        "On Wed, Nov 4, 2026 at 9:00 AM Acme Support <\nhelp@acme.example> wrote:",
        "Am Mi., 4. Nov. 2026 um 09:00 Uhr schrieb Acme <help@acme.example>:",
        "Le mer. 4 nov. 2026 à 09:00, Acme <help@acme.example> a écrit :",
    ):
        assert plain_reply(f"Still broken.\n\n{said}\n\n> hello\n> there") == "Still broken."
    assert plain_reply("On page 4\nhe wrote:\nnothing") == "On page 4\nhe wrote:\nnothing"


def test_a_mail_in_html_comes_without_what_it_quotes() -> None:
    apple = "<div>Still broken.</div><div>On 4 Nov 2026, Acme wrote:</div><blockquote type='cite'>Hi</blockquote>"
    assert text_of_html(apple) == own_words(apple) == "Still broken."
    outlook = "<p>Still broken.</p><div><b>From:</b> Acme<br><b>Sent:</b> Monday<br>To: me</div><p>Hello</p>"
    assert own_words(outlook) == "Still broken."
    assert text_of_html("<blockquote>Hi</blockquote>") is None
    assert text_of_html("<p>2 > 1</p><blockquote>Hi</blockquote><p>so it is</p>") == "2 > 1\n\nso it is"


def test_markup_is_known_by_what_nobody_writes_by_chance() -> None:
    assert text_of_either("<p>Late <b>again</b></p>") == "Late again"
    assert text_of_either("Late<br/>again") == "Late\nagain"
    for plain in ("a < b && c > d", "the <div> is empty", "List<String> fails", "late & lost"):
        assert text_of_either(plain) == plain
    for nothing in (None, "", " ", 5, "<p></p>"):
        assert text_of_either(nothing) is None
