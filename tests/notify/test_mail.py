"""Mail by the operator's server: both bodies, TLS that is checked, signing in, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from service.notify.mail import check_mail_address, send_mail
from service.notify.target import Answer, BadTarget
from service.settings import Settings
from tests.notify.mail_server import MailServer, certificate_for_this_machine, mail_server


def settings_for(server: MailServer, **more: Any) -> Settings:
    return Settings(smtp_host="127.0.0.1", smtp_port=server.port, mail_from="Journeymap <cx@shop.example>", **more)


def send(settings: Settings, **more: Any) -> Answer:
    return send_mail(
        settings,
        **{
            "to": "ann@shop.example",
            "subject": "The week: 2 new\r\nBcc: all@shop.example",
            "text": "Plain – ünï.\n.\nend",
            "html": "<p>HTML – ünï</p>",
            "message_id": "journeymap.notice.7.1",
            **more,
        },
    )


def test_both_bodies_over_tls(tmp_path: Path) -> None:
    certificate = certificate_for_this_machine(tmp_path)
    with mail_server(certificate=certificate, password="open sesame") as server:
        told = send(settings_for(server, smtp_user="cx", smtp_password="open sesame", smtp_ca_file=certificate))
    assert (told.status, server.private, server.recipients) == (250, [True], ["ann@shop.example"])
    (mail,) = server.mails
    assert mail["Subject"] == "The week: 2 new Bcc: all@shop.example", "a line break makes no further head"
    assert mail["Bcc"] is None
    assert mail["From"] == "Journeymap <cx@shop.example>"
    assert mail["Message-ID"] == "<journeymap.notice.7.1@shop.example>"
    plain, rich = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert rich is not None
    assert plain.get_content().splitlines() == ["Plain – ünï.", ".", "end"]
    assert rich.get_content().strip() == "<p>HTML – ünï</p>"


def test_a_certificate_that_nobody_signed_ends_it(tmp_path: Path) -> None:
    with mail_server(certificate=certificate_for_this_machine(tmp_path)) as server:
        told = send(settings_for(server))
    assert (told.status, server.mails) == (None, [])
    assert "SSLCertVerificationError" in told.detail


def test_no_mail_goes_in_the_clear_unless_that_is_set() -> None:
    with mail_server() as server:
        assert send(settings_for(server)).status is None
        assert server.mails == []
        assert send(settings_for(server, smtp_security="none"), html=None).status == 250
    assert not server.mails[0].is_multipart()


def test_what_the_server_says_is_told(tmp_path: Path) -> None:
    with mail_server(refuse=550) as server:
        told = send(settings_for(server, smtp_security="none"))
        assert (told.status, "550" in told.detail) == (550, True)
    with mail_server(password="right") as server:
        told = send(settings_for(server, smtp_security="none", smtp_user="cx", smtp_password="wrong"))
        assert told.status == 535
        assert "wrong" not in told.detail
    assert send(settings_for(server, smtp_security="none")).status is None, "nobody listens there any more"


@pytest.mark.parametrize(
    "url", ["mailto:", "mailto:ann", "mailto:ann@", "mailto:ann@shop", "mailto:a@b.c,d@e.f", "mailto:a\nb@c.de"]
)
def test_what_is_no_mail_address(url: str) -> None:
    with pytest.raises(BadTarget, match="give one mail address"):
        check_mail_address(url, Settings(smtp_host="h", mail_from="a@b.de"))


def test_without_a_server_there_is_no_mail() -> None:
    with pytest.raises(BadTarget, match="JOURNEYMAP_SMTP_HOST"):
        check_mail_address("mailto:ann@shop.example", Settings())
