"""Send emails by SMTP, and classify the server's answers. The settings of email are here, too.

The text of an answer is never stored: servers quote the address in it.
"""

import smtplib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from services.auth.one_time_codes import OneTimeCodes
from services.core.metrics import Meter
from services.core.settings import Settings
from services.core.tls import client_context
from tasks.email.compose import BadAddressError, parse_address

IMPLICIT_TLS_PORT = 465
TIMEOUT_SECONDS = 10.0
# 421: the server closes the connection. The others require authentication or TLS: an operator
# corrects that, and then the email is still wanted.
SERVER_ERROR_CODES = frozenset({421, 530, 534, 535, 538})
# Mailtrap answers "550 5.7.0 Requested action not taken: too many emails per second", which is
# temporary despite its code.
RATE_LIMIT_TEXT = b"too many"
LOCAL_DOMAIN = "localhost"


class EmailNotSent(Exception):
    """Not sent. `error` is an SMTP code or the name of an exception, for logs and operators."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class EmailRejected(EmailNotSent):
    """The server will never accept this email."""


class EmailDeferred(EmailNotSent):
    """The server does not accept this email now, but may accept others."""


class ServerUnavailable(EmailNotSent):
    """The server accepts no email now: it is down, slow, or configured differently."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The mail server. `timeout_seconds` limits each step: connecting, and each answer."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    timeout_seconds: float = TIMEOUT_SECONDS

    def connect(self) -> smtplib.SMTP:
        """Connect, encrypted if the server supports it (and then with a valid certificate), and
        sign in.

        Raises `smtplib.SMTPException`, `OSError`, or `ValueError` for values SMTP cannot transmit.
        """
        server = self._open()
        try:
            server.ehlo_or_helo_if_needed()
            if self.port != IMPLICIT_TLS_PORT and server.has_extn("starttls"):
                server.starttls(context=client_context())
                server.ehlo_or_helo_if_needed()  # the server may offer other extensions now
            if self.user:
                server.login(self.user, self.password)
        except BaseException:  # also the task's time limit
            server.close()
            raise
        return server

    def _open(self) -> smtplib.SMTP:
        # By default smtplib resolves this machine's name, without a time limit.
        name = "[127.0.0.1]"
        if self.port == IMPLICIT_TLS_PORT:
            return smtplib.SMTP_SSL(
                self.host, self.port, name, timeout=self.timeout_seconds, context=client_context()
            )
        return smtplib.SMTP(self.host, self.port, name, timeout=self.timeout_seconds)


class SmtpConnection:
    """A connection for several emails, opened when it is needed.

    `with SmtpConnection(server.connect) as connection:`. Not usable after `ServerUnavailable`.
    """

    def __init__(self, connect: Callable[[], smtplib.SMTP]) -> None:
        self._connect = connect
        self._server: smtplib.SMTP | None = None

    def open(self) -> None:
        """Connect, unless connected. Raises `ServerUnavailable`."""
        if self._server is None:
            try:
                self._server = self._connect()
            except smtplib.SMTPResponseException as error:
                raise ServerUnavailable(str(error.smtp_code)) from error
            except (smtplib.SMTPException, OSError, ValueError) as error:
                raise ServerUnavailable(type(error).__name__) from error

    def send(self, mail: EmailMessage, *, sender: str, recipient: str) -> None:
        """Return when the server has accepted the email; the addresses are the envelope's.

        Raises `EmailRejected`, `EmailDeferred` or `ServerUnavailable`.
        """
        self.open()
        assert self._server  # noqa: S101  open() has raised, or made it
        try:
            _send(self._server, mail, sender=sender, recipient=recipient)
        except smtplib.SMTPRecipientsRefused as error:
            ((code, text),) = error.recipients.values()
            raise _error_for(code, text) from error
        except smtplib.SMTPSenderRefused as error:
            raise ServerUnavailable(str(error.smtp_code)) from error
        except smtplib.SMTPResponseException as error:
            raise _error_for(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPNotSupportedError, ValueError) as error:
            # An address that this server, or SMTP itself, does not support.
            raise EmailRejected(type(error).__name__) from error
        except (smtplib.SMTPException, OSError) as error:
            raise ServerUnavailable(type(error).__name__) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        if self._server is None:
            return
        if kind is not None:  # a failing server may not answer QUIT
            self._server.close()
            return
        with suppress(smtplib.SMTPException, OSError):  # the emails have been accepted
            self._server.quit()


def _send(server: smtplib.SMTP, mail: EmailMessage, *, sender: str, recipient: str) -> None:
    """As `SMTP.send_message`, which would change "From" at the beginning of a line to ">From"."""
    if recipient.isascii():
        server.sendmail(sender, [recipient], mail.as_bytes(policy=SMTP))
        return
    if not server.has_extn("smtputf8"):
        raise smtplib.SMTPNotSupportedError
    options = ["SMTPUTF8", "BODY=8BITMIME"]
    server.sendmail(sender, [recipient], mail.as_bytes(policy=SMTPUTF8), options)


def _error_for(code: int, text: bytes | str) -> EmailNotSent:
    answer = text if isinstance(text, bytes) else text.encode(errors="replace")
    if code in SERVER_ERROR_CODES or RATE_LIMIT_TEXT in answer.lower():
        return ServerUnavailable(str(code))
    if 400 <= code < 500:
        return EmailDeferred(str(code))
    if 500 <= code < 600:
        return EmailRejected(str(code))
    return ServerUnavailable(str(code))  # not SMTP


@dataclass(frozen=True, slots=True)
class EmailConfig:
    """`app_url` is the address of the pages; without it emails have no links."""

    server: SmtpServer
    sender: Address
    app_url: str | None
    codes: OneTimeCodes
    meter: Meter


def build_email_config(config: Settings, codes: OneTimeCodes, meter: Meter) -> EmailConfig | None:
    """Return None if no mail server is set."""
    if not config.mailtrap_smtp_host:
        return None
    return EmailConfig(
        server=smtp_server(config),
        sender=sender_address(config),
        app_url=config.app_url,
        codes=codes,
        meter=meter,
    )


def smtp_server(config: Settings) -> SmtpServer:
    return SmtpServer(
        config.mailtrap_smtp_host,
        config.mailtrap_smtp_port,
        user=config.mailtrap_smtp_user,
        password=config.mailtrap_smtp_pass,
    )


def sender_address(config: Settings) -> Address:
    """Return the sender: MAIL_FROM, else the SMTP user, else an address at the pages' host."""
    for email in (config.mail_from, config.mailtrap_smtp_user):
        with suppress(BadAddressError):  # the SMTP user may be no address
            return parse_address(email)
    return Address(username="helpdesk", domain=_host(config.app_url))


def _host(app_url: str | None) -> str:
    """Return the host's name. Not an IP address: many servers reject senders at one."""
    host = urlsplit(app_url or "").hostname or LOCAL_DOMAIN
    is_name = host.isascii() and "." in host and not host.replace(".", "").isdecimal()
    return host if is_name and ":" not in host else LOCAL_DOMAIN
