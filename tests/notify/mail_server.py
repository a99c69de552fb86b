"""A mail server on this machine that speaks enough SMTP (RFC 5321, 3207, 4954) to be handed a mail."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class MailServer:
    """What came in, and how the server behaves."""

    port: int = 0
    certificate: Path | None = None  # STARTTLS is offered with it
    password: str | None = None  # asked for
    refuse: int | None = None  # answered to every recipient
    mails: list[EmailMessage] = field(default_factory=list)
    private: list[bool] = field(default_factory=list)  # of each mail: whether it came over TLS
    recipients: list[str] = field(default_factory=list)


@contextmanager
def mail_server(**behaviour: Any) -> Iterator[MailServer]:
    """A running server."""
    state = MailServer(**behaviour)

    class Handler(socketserver.StreamRequestHandler):
        def say(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")
            self.wfile.flush()

        def handle(self) -> None:
            private = signed_in = False
            self.say("220 here")
            while line := self.rfile.readline().decode().strip():
                verb = line[:4].upper()
                if verb == "EHLO":
                    more = ["STARTTLS"] if state.certificate and not private else []
                    more += ["AUTH PLAIN"] if state.password else []
                    for one in ["here", *more][:-1]:
                        self.say(f"250-{one}")
                    self.say(f"250 {['here', *more][-1]}")
                elif verb == "STAR" and state.certificate:
                    self.say("220 go on")
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(state.certificate)
                    try:
                        self.connection = context.wrap_socket(self.connection, server_side=True)
                    except (ssl.SSLError, OSError):
                        return  # the other side does not trust us
                    self.rfile = self.connection.makefile("rb")
                    self.wfile = self.connection.makefile("wb")
                    private = True
                elif verb == "AUTH":
                    given = base64.b64decode(line.split()[2]).decode().split("\0")[2]
                    signed_in = given == state.password
                    self.say("235 welcome" if signed_in else "535 no")
                elif verb == "MAIL" and state.password and not signed_in:
                    self.say("530 sign in first")
                elif verb == "RCPT":
                    state.recipients.append(line.partition("<")[2].rstrip(">"))
                    self.say(f"{state.refuse} no" if state.refuse else "250 good")
                elif verb == "DATA":
                    self.say("354 go on")
                    body = b""
                    while (part := self.rfile.readline()) != b".\r\n":
                        body += part.removeprefix(b".")
                    state.mails.append(message_from_bytes(body, policy=policy.default))  # type: ignore[arg-type]
                    state.private.append(private)
                    self.say("250 taken")
                elif verb == "QUIT":
                    self.say("221 bye")
                    break
                else:
                    self.say("250 good")
            if private:
                self.rfile.close()
                self.wfile.close()
                self.connection.close()

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def certificate_for_this_machine(folder: Path) -> Path:
    """A certificate that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    moment = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - timedelta(hours=1))
        .not_valid_after(moment + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path
