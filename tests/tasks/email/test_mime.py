"""An email: headers, text and HTML, and no header injection."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from html import escape
from smtplib import quoteaddr

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.core.text import EMAIL_PATTERN
from tasks.email.mime import FOOTER, MAX_SUBJECT_LENGTH, BadAddressError, build_email, parse_address
from tasks.email.templates import EmailContent, Link, one_line
from tests.support.mail_server import html, plain_text

SENDER = parse_address("helpdesk@example.com", name="Help desk")
NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version",
           "Content-Type"]  # fmt: skip


def received(words: EmailContent, *, to: str = "jo@example.com") -> EmailMessage:
    """Parse it as the recipient does."""
    recipient = parse_address(to)
    mail = build_email(words, sender=SENDER, recipient=recipient, message_id="ab12", now=NOW)
    policy = SMTP if recipient.addr_spec.isascii() else SMTPUTF8
    parsed = message_from_bytes(mail.as_bytes(policy=policy), policy=SMTP)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_headers() -> None:
    mail = received(EmailContent("Ticket 12 is yours: Größe", ("Hello,",)))
    assert mail.keys() == HEADERS
    assert mail["From"] == "Help desk <helpdesk@example.com>"
    assert mail["To"] == "jo@example.com"
    assert mail["Subject"] == "Ticket 12 is yours: Größe"
    assert mail["Date"] == "Sun, 22 Nov 2026 10:30:00 +0000"
    assert mail["Message-ID"] == "<ab12@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "multipart/alternative"


def test_it_is_ascii_in_short_lines() -> None:
    words = EmailContent(
        "ä" * 300, ("ü" * 9_000, "b" * 9_000, Link("c", "https://example.com/" + "d" * 999))
    )
    mail = build_email(words, sender=SENDER, recipient=SENDER, message_id="1", now=NOW)
    lines = mail.as_bytes().split(b"\r\n")
    assert max(map(len, lines)) <= 78
    assert all(line.isascii() for line in lines)


def test_both_texts_say_the_same() -> None:
    link = Link("Choose <one>", 'https://example.com/?a="1"&b=2')
    mail = received(EmailContent("Tags & <b>", ("Hello <script>alert(1)</script> & “Jo”,", link)))
    assert plain_text(mail) == (
        "Hello <script>alert(1)</script> & “Jo”,\n"
        "\n"
        "Choose <one>:\n"
        'https://example.com/?a="1"&b=2\n'
        "\n"
        f"-- \n{FOOTER}\n"
    )
    page = html(mail)
    assert "<title>Tags &amp; &lt;b&gt;</title>" in page
    assert ">Hello &lt;script&gt;alert(1)&lt;/script&gt; &amp; “Jo”,</p>" in page
    assert '<a href="https://example.com/?a=&quot;1&quot;&amp;b=2" ' in page
    assert "\nChoose" not in page
    assert ">Choose &lt;one&gt;</a></p>" in page
    assert "<script" not in page
    assert f">{escape(FOOTER)}</p>" in page


def test_a_line_that_begins_with_from_stays_as_it_is() -> None:
    assert plain_text(received(EmailContent("Hi", ("From here on",)))).startswith("From here on\n")


@pytest.mark.parametrize(
    "email",
    [
        "", "jo", "jo@", "@example.com", "jo@localhost", "jo@a..b.com", "jo@-.", "a b@example.com",
        "jo@example.com\r\nBcc: al@example.com", "jo@exa\x00mple.com", "jo@example.com,al@b.com",
        "<jo@example.com>", "jo\u202e@example.com", f"jo@{'ä' * 80}.de", "a former colleague",
    ],
)  # fmt: skip
def test_where_no_mail_can_go(email: str) -> None:
    with pytest.raises(BadAddressError, match="not an address"):
        parse_address(email)


@pytest.mark.parametrize(
    ("email", "written"),
    [
        (" Jo@Example.com ", "Jo@Example.com"),
        ("o'brien+x@example.com", "o'brien+x@example.com"),
        ("jo@bücher.de", "jo@xn--bcher-kva.de"),
        ("a..b@example.com", "a..b@example.com"),
        ('a"b(c):d@example.com', '"a\\"b(c):d"@example.com'),
        ("jürgen@example.com", "jürgen@example.com"),
    ],
)
def test_odd_addresses(email: str, written: str) -> None:
    assert parse_address(email).addr_spec == written
    assert received(EmailContent("Hi", ()), to=email)["To"] == written


ANY = st.text(max_size=200) | st.text(
    alphabet='\r\n\t \x00<>@:;,"\\=?utf-8BQ_éß\u2028\u202e\U0001f600', max_size=120
)
EMAILS = st.from_regex(EMAIL_PATTERN, fullmatch=True) | st.builds(
    "{}@{}.com".format,
    st.text(alphabet="abc.()\"\\[]:é'`|{}=?\r\n", min_size=1, max_size=12),
    st.text(alphabet="abé-.", min_size=1, max_size=8),
)


def test_an_encoded_line_break_is_no_line_break() -> None:
    """`EmailMessage` would decode it and add the injected header."""
    mail = received(EmailContent("VPN =?utf-8?q?a=0d=0aBcc:_al@example.com?=", ("Hello,",)))
    assert mail.keys() == HEADERS
    assert mail["Subject"] == "VPN = ?utf-8?q?a=0d=0aBcc:_al@example.com?="
    with pytest.raises(BadAddressError):
        parse_address("=?utf-8?q?a=0d=0aBcc:_al?=@example.com")


@given(subject=ANY, line=ANY, email=EMAILS)
@example(subject="x" * 10_000, line="\r\n.\r\n", email='"@example.com')
@example(subject="=?utf-8?q?a=0d=0aBcc:_al@b.com?=", line="", email="jo@example.com")
@settings(max_examples=150, deadline=None, derandomize=True, database=None)
def test_whatever_people_wrote_no_header_is_added_or_lost(
    subject: str, line: str, email: str
) -> None:
    try:
        recipient = parse_address(email)
    except BadAddressError:
        return
    mail = received(EmailContent(subject, (line,)), to=email)
    assert mail.keys() == HEADERS
    assert mail["Message-ID"] == "<ab12@example.com>"
    if recipient.addr_spec.isascii():
        assert [to.addr_spec for to in mail["To"].addresses] == [recipient.addr_spec]
    assert quoteaddr(recipient.addr_spec) == f"<{recipient.addr_spec}>"
    assert mail["Subject"] == one_line(subject)[:MAX_SUBJECT_LENGTH].strip().replace("=?", "= ?")
