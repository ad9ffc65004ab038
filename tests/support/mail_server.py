"""Mail servers: one with configurable answers, and one that never answers."""

import asyncio
import ssl
import warnings
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from demo.servers import free_port
from tasks.email.smtp import SmtpServer
from tests.support.canary import CANARY

HOST = "127.0.0.1"
MAIL_USER, MAIL_PASSWORD = "desk", "pa55word"


class _Controller(Controller):
    def factory(self) -> SMTP:
        with warnings.catch_warnings():
            # It advises against a sign-in without TLS, and against TLS that is only offered.
            warnings.simplefilter("ignore", UserWarning)
            made: SMTP = super().factory()  # type: ignore[no-untyped-call]  # it is not annotated
            return made


class MailServer:
    """Keeps the mail it receives. Use it in a `with` statement; it may be started again after it.

    `auth` wants MAIL_USER and MAIL_PASSWORD, `starttls` offers TLS and `implicit_tls` speaks
    nothing else; `utf8` is for addresses. `answers` are for mail, each once, in order and before
    "250"; `recipients` are answers by address, for good. `delay` (seconds) is before the answer to
    a mail's text.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        auth: bool = False,
        starttls: ssl.SSLContext | None = None,
        implicit_tls: ssl.SSLContext | None = None,
        utf8: bool = False,
    ) -> None:
        self.port = port or free_port()
        self.mails: list[EmailMessage] = []
        self.envelopes: list[tuple[str, list[str]]] = []
        self.signed_in: list[str] = []
        self.encrypted: list[bool] = []
        self.connections = 0
        self.answers: list[str] = []
        self.recipients: dict[str, str] = {}
        self.delay = 0.0
        self._auth, self._starttls, self._implicit = auth, starttls, implicit_tls
        self._utf8 = utf8
        self._controller: Controller | None = None

    def server(self, **settings: Any) -> SmtpServer:
        """What the product needs to know of it."""
        return SmtpServer(HOST, self.port, **{"timeout_seconds": 5.0, **settings})

    def texts(self, subject: str = "") -> list[str]:
        """The plain text of each mail with that in its subject."""
        return [plain_text(mail) for mail in self.mails if subject in mail["Subject"]]

    def start(self) -> None:
        self._controller = _Controller(
            self,
            hostname=HOST,
            port=self.port,
            ssl_context=self._implicit,
            tls_context=self._starttls,
            authenticator=self._authenticate,
            auth_required=self._auth,
            auth_require_tls=False,
            enable_SMTPUTF8=self._utf8,
        )
        self._controller.start()

    def stop(self) -> None:
        if self._controller:
            self._controller.stop()
            self._controller = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self.stop()
        assert CANARY not in str([mail.as_string() for mail in self.mails])

    # What aiosmtpd calls, by its names.

    async def handle_EHLO(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope, name: str, responses: list[str]
    ) -> list[str]:
        session.host_name = name
        self.connections += 1
        return responses

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := self.recipients.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answers and not (answer := self.answers.pop(0)).startswith("250"):
            return answer
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=POLICY)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.envelopes.append((str(envelope.mail_from), list(envelope.rcpt_tos)))
        self.encrypted.append(server.transport.get_extra_info("sslcontext") is not None)
        await asyncio.sleep(self.delay)
        return "250 OK"

    def _authenticate(self, *args: Any) -> AuthResult:
        login = args[-1]
        is_right = (login.login, login.password) == (MAIL_USER.encode(), MAIL_PASSWORD.encode())
        if is_right:
            self.signed_in.append(MAIL_USER)
        return AuthResult(success=is_right, handled=False)


def plain_text(mail: EmailMessage) -> str:
    return _part(mail, "plain")


def html(mail: EmailMessage) -> str:
    return _part(mail, "html")


def _part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")
