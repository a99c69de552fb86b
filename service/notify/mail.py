"""One mail by the operator's server: plain text and HTML together, TLS unless it is turned off."""

from __future__ import annotations

import smtplib
import ssl
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr

from service.notify.target import Answer, BadTarget
from service.settings import Settings
from service.store.columns import now

TIMEOUT_SECONDS = 20.0
SCHEME = "mailto:"
TAKEN = 250  # RFC 5321: the server has taken the mail


def check_mail_address(url: str, settings: Settings) -> str:
    """The address of a `mailto:` link; BadTarget where it is none, or no mail server is set."""
    found = url.removeprefix(SCHEME)
    try:
        address = Address(addr_spec=found)
    except (ValueError, IndexError) as error:
        raise BadTarget("give one mail address, such as mailto:ann@shop.example") from error
    if not address.username or "." not in address.domain or not found.isascii():
        raise BadTarget("give one mail address, such as mailto:ann@shop.example")
    if not settings.smtp_host or not parseaddr(settings.mail_from)[1]:
        raise BadTarget("no mail server is set: JOURNEYMAP_SMTP_HOST and JOURNEYMAP_MAIL_FROM")
    return found


def send_mail(
    settings: Settings, *, to: str, subject: str, text: str, html: str | None, message_id: str
) -> Answer:
    """Hand it to the mail server; never raises for what the other side does. 250 is taken.

    `message_id` (without angle brackets and domain) stays the same when a mail is tried again, so that a reader's
    programme shows it once.
    """
    sender = parseaddr(settings.mail_from)[1]
    message = EmailMessage()
    message["From"], message["To"] = settings.mail_from, to
    message["Subject"] = " ".join(subject.split())
    message["Date"] = format_datetime(now())
    message["Message-ID"] = f"<{message_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday answers, please
    message.set_content(text)
    if html is not None:
        message.add_alternative(html, subtype="html")
    try:
        with _connection(settings) as server:
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password)
            server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        code = next((code for code, _ in error.recipients.values()), None)
        return Answer(code, f"the mail server refused the address ({code})")
    except smtplib.SMTPResponseException as error:
        return Answer(error.smtp_code, f"the mail server answered {error.smtp_code} ({type(error).__name__})")
    except (smtplib.SMTPException, ssl.SSLError, OSError) as error:
        return Answer(None, f"no mail could be handed over: {type(error).__name__}")
    return Answer(TAKEN, "taken by the mail server")


def _connection(settings: Settings) -> smtplib.SMTP:
    """A connection to the server, private as far as the settings say; a certificate that does not fit ends it."""
    if settings.smtp_security == "none":
        return smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_SECONDS)
    trusted = ssl.create_default_context(cafile=settings.smtp_ca_file)
    if settings.smtp_security == "tls":
        return smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_SECONDS, context=trusted)
    server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_SECONDS)
    try:
        server.starttls(context=trusted)  # a server that does not offer it: an error, never a mail in the clear
    except BaseException:
        server.close()
        raise
    return server
