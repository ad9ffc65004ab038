"""What is sent to the mail server, and how its answers are classified."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.headerregistry import Address
from email.message import EmailMessage
from pathlib import Path
from threading import Thread

import pytest

from demo.servers import free_port
from services.core.clock import utcnow
from tasks.email.compose import EmailContent, build_email, parse_address
from tasks.email.smtp import (
    EmailDeferred,
    EmailNotSent,
    EmailRejected,
    ServerUnavailable,
    SmtpConnection,
    SmtpServer,
)
from tests.support.certificates import CertificateAuthority
from tests.support.mail_server import (
    HOST,
    MAIL_PASSWORD,
    MAIL_USER,
    MailServer,
    plain_text,
)

SENDER = Address(username="helpdesk", domain="example.com")


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def mail_to(recipient: Address, text: str = "Hello.") -> EmailMessage:
    words = EmailContent("Hi", (text,))
    return build_email(words, sender=SENDER, recipient=recipient, message_id="1", now=utcnow())


def send(server: SmtpServer, *emails: str) -> None:
    """Send one email to each address, over one connection."""
    with SmtpConnection(server.connect) as line:
        for email in emails:
            to = parse_address(email)
            line.send(mail_to(to), sender=SENDER.addr_spec, recipient=to.addr_spec)


def fault(server: SmtpServer, email: str = "jo@example.com") -> EmailNotSent:
    with pytest.raises(EmailNotSent) as found:
        send(server, email)
    return found.value


@contextmanager
def saying(*said: bytes) -> Iterator[SmtpServer]:
    """A server that sends each client this line and nothing more."""
    with socket.create_server((HOST, 0)) as listener:
        callers = []

        def speak() -> None:
            caller, _ = listener.accept()
            callers.append(caller)
            for line in said:
                caller.sendall(line)
                caller.recv(1_000)

        speaking = Thread(target=speak)
        speaking.start()
        yield SmtpServer(HOST, listener.getsockname()[1], timeout_seconds=0.3)
        speaking.join()
        for caller in callers:
            caller.close()


def test_several_mails_go_over_one_connection(mail_server: MailServer) -> None:
    send(mail_server.server(), "jo@example.com", "al@example.com")
    assert mail_server.connections == 1
    assert mail_server.envelopes == [
        ("helpdesk@example.com", ["jo@example.com"]),
        ("helpdesk@example.com", ["al@example.com"]),
    ]
    assert [mail["To"] for mail in mail_server.mails] == ["jo@example.com", "al@example.com"]


def test_who_sends_nothing_does_not_connect(mail_server: MailServer) -> None:
    send(mail_server.server())
    assert mail_server.connections == 0


def test_it_signs_in_where_it_has_a_name() -> None:
    with MailServer(auth=True) as mail_server:
        send(mail_server.server(user=MAIL_USER, password=MAIL_PASSWORD), "jo@example.com")
        assert mail_server.signed_in == [MAIL_USER]
        assert len(mail_server.mails) == 1
        wrong = fault(mail_server.server(user=MAIL_USER, password="wrong"))
        assert (type(wrong), wrong.error) == (ServerUnavailable, "535")
        # An operator corrects this, too, so the email is kept.
        nobody = fault(mail_server.server())
        assert (type(nobody), nobody.error) == (ServerUnavailable, "530")
        odd = fault(mail_server.server(user=MAIL_USER, password="pässwörd"))
        assert (type(odd), odd.error) == (ServerUnavailable, "UnicodeEncodeError")


def test_it_encrypts_where_the_server_offers_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = CertificateAuthority(tmp_path)
    authority.trust(monkeypatch)
    with MailServer(starttls=authority.server_context(HOST), auth=True) as mail_server:
        send(mail_server.server(user=MAIL_USER, password=MAIL_PASSWORD), "jo@example.com")
        assert mail_server.encrypted == [True]


def test_it_trusts_no_certificate_it_cannot_check(tmp_path: Path) -> None:
    with MailServer(starttls=CertificateAuthority(tmp_path).server_context(HOST)) as mail_server:
        found = fault(mail_server.server())
        assert (type(found), found.error) == (ServerUnavailable, "SSLCertVerificationError")
        assert mail_server.mails == []


def test_port_465_is_encrypted_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = CertificateAuthority(tmp_path)
    authority.trust(monkeypatch)
    with MailServer(implicit_tls=authority.server_context(HOST)) as mail_server:
        monkeypatch.setattr("tasks.email.smtp.IMPLICIT_TLS_PORT", mail_server.port)
        send(mail_server.server(), "jo@example.com")
        assert mail_server.encrypted == [True]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("550 5.1.1 No such user", EmailRejected),
        ("554 5.7.1 Relay access denied", EmailRejected),
        ("450 4.2.1 Greylisted", EmailDeferred),
        ("421 4.3.2 Shutting down", ServerUnavailable),
        ("530 5.7.0 Must issue a STARTTLS command first", ServerUnavailable),
        ("550 5.7.0 Requested action not taken: too many emails per second", ServerUnavailable),
    ],
)
def test_what_an_answer_to_the_recipient_means(
    mail_server: MailServer, answer: str, kind: type[EmailNotSent]
) -> None:
    mail_server.recipients["jo@example.com"] = answer
    found = fault(mail_server.server())
    assert type(found) is kind
    assert str(found) == answer[:3]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("554 5.6.0 Message refused", EmailRejected),
        ("452 4.3.1 Mailbox full", EmailDeferred),
        ("421 4.4.2 Timeout", ServerUnavailable),
        ("550 5.7.0 Requested action not taken: Too many emails per second", ServerUnavailable),
    ],
)
def test_what_an_answer_to_the_mail_means(
    mail_server: MailServer, answer: str, kind: type[EmailNotSent]
) -> None:
    mail_server.answers = [answer]
    found = fault(mail_server.server())
    assert type(found) is kind
    assert str(found) == answer[:3]


def test_a_refused_mail_does_not_stop_the_next(mail_server: MailServer) -> None:
    mail_server.recipients["gone@example.com"] = "550 No such user"
    with SmtpConnection(mail_server.server().connect) as line:
        gone, here = parse_address("gone@example.com"), parse_address("jo@example.com")
        with pytest.raises(EmailRejected):
            line.send(mail_to(gone), sender=SENDER.addr_spec, recipient=gone.addr_spec)
        line.send(mail_to(here), sender=SENDER.addr_spec, recipient=here.addr_spec)
    assert mail_server.connections == 1
    assert len(mail_server.mails) == 1


def test_nobody_listens() -> None:
    found = fault(SmtpServer(HOST, free_port()))
    assert (type(found), found.error) == (ServerUnavailable, "ConnectionRefusedError")


def test_a_server_that_accepts_and_never_answers() -> None:
    with saying(b"") as silent:
        found = fault(silent)
    assert (type(found), found.error) == (ServerUnavailable, "SMTPServerDisconnected")


@pytest.mark.parametrize(
    "said",
    [
        (b"220 hello\r\n", b""),
        (b"220 hello\r\n", b"250 hello\r\n", b"250 OK\r\n", b""),
        (b"220 hello\r\n", b"250 hello\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go\r\n", b""),
    ],
    ids=["after the greeting", "after the sender", "after the text"],
)
def test_a_server_that_falls_silent(said: tuple[bytes, ...]) -> None:
    with saying(*said) as silent:
        found = fault(silent)
    assert (type(found), found.error) == (ServerUnavailable, "SMTPServerDisconnected")


def test_what_is_no_mail_server() -> None:
    with saying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        assert isinstance(fault(server), ServerUnavailable)


def test_a_server_that_takes_no_foreign_letters_refuses_such_an_address(
    mail_server: MailServer,
) -> None:
    found = fault(mail_server.server(), "jürgen@example.com")
    assert (type(found), found.error) == (EmailRejected, "SMTPNotSupportedError")


def test_one_that_takes_them_gets_it_whole() -> None:
    with MailServer(utf8=True) as mail_server:
        send(mail_server.server(), "jürgen@example.com")
        assert mail_server.envelopes == [("helpdesk@example.com", ["jürgen@example.com"])]
        assert mail_server.mails[0]["To"] == "jürgen@example.com"


def test_odd_addresses_reach_the_envelope_whole(mail_server: MailServer) -> None:
    send(mail_server.server(), "o'brien+desk@example.com", 'a"b(c)\\d@example.com', "jo@bücher.de")
    assert [to for _, (to,) in mail_server.envelopes] == [
        "o'brien+desk@example.com",
        '"a\\"b(c)\\\\d"@example.com',
        "jo@xn--bcher-kva.de",
    ]


def test_lines_of_dots_and_long_ones_arrive_as_they_were(mail_server: MailServer) -> None:
    to = parse_address("jo@example.com")
    text = "." + "ä" * 5_000 + "\n.\n..\nFrom here"
    with SmtpConnection(mail_server.server().connect) as line:
        line.send(mail_to(to, text), sender=SENDER.addr_spec, recipient=to.addr_spec)
    assert text in plain_text(mail_server.mails[0])


def test_the_password_is_not_shown() -> None:
    assert MAIL_PASSWORD not in repr(SmtpServer(HOST, 25, "desk", MAIL_PASSWORD))
