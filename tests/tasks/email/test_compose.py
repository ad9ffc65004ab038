"""The emails: their texts, headers and HTML, and no header injection."""

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8
from html import escape
from smtplib import quoteaddr

import pytest
from bson import ObjectId
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.auth.address_confirmation import confirmation_path
from services.auth.password_reset import reset_path
from services.core.text import EMAIL_PATTERN
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.outbox.emails import EmailKind
from tasks.email.compose import (
    MAX_SUBJECT_LENGTH,
    BadAddressError,
    EmailContent,
    Link,
    assignment_values,
    build_email,
    link_values,
    one_line,
    parse_address,
    render,
)
from tests.conftest import sample_ticket
from tests.support.mail_server import html, plain_text

SENDER, NAME = parse_address("helpdesk@example.com"), "Help desk"
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
        "-- \nSent by Help desk. Replies to this address are not read.\n"
    )
    page = html(mail)
    assert "<title>Tags &amp; &lt;b&gt;</title>" in page
    assert ">Hello &lt;script&gt;alert(1)&lt;/script&gt; &amp; “Jo”,</p>" in page
    assert '<a href="https://example.com/?a=&quot;1&quot;&amp;b=2" ' in page
    assert "\nChoose" not in page
    assert ">Choose &lt;one&gt;</a></p>" in page
    assert "<script" not in page
    assert ">Sent by Help desk. Replies to this address are not read.</p>" in page


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


@pytest.mark.parametrize(
    "name",
    [
        "IT help",
        "Größe & Co.",
        'IT, "help" (1)',
        "a\\b: c; d",
        "=?utf-8?q?a=0d=0aBcc:_al@example.com?=",
    ],
)
def test_the_apps_name_signs_and_is_no_markup(name: str) -> None:
    mail = received(render(EmailKind.WELCOME, EMMA, app_name=name, app_url=None))
    assert mail.keys() == HEADERS
    (sender,) = mail["From"].addresses
    shown = name.replace("=?", "= ?")
    assert (sender.display_name, sender.addr_spec) == (shown, SENDER.addr_spec)
    assert mail["Subject"] == f"Welcome to {shown}"
    signature = f"Sent by {name}. Replies to this address are not read."
    assert plain_text(mail).endswith(f"-- \n{signature}\n")
    assert f">{escape(signature)}</p>" in html(mail)


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


URL = "https://desk.example.com"
EMMA = User(ObjectId("65f0c0ffee65f0c0ffee0001"), "emma@example.com", Role.USER, name="Emma")
PROFILE = Link("Your profile", f"{URL}/profile")


def assigned(
    user: User, ticket: Ticket, *, requester: str = "Jo", reason: str = "knows VPN"
) -> EmailContent:
    values = assignment_values(ticket, requester=requester, reason=reason)
    return render(EmailKind.ASSIGNED, user, app_name=NAME, app_url=URL, **values)


def test_welcome() -> None:
    path = confirmation_path("s3-_cret")
    assert render(
        EmailKind.WELCOME, EMMA, app_name=NAME, app_url=URL, confirmation_path=path
    ) == EmailContent(
        "Welcome to Help desk",
        (
            "Hello,",
            "You now have an account at Help desk, with the address emma@example.com.",
            "Confirm that the address is yours, with your password. The link works once, and for "
            "three days.",
            Link("Confirm your address", f"{URL}/confirm?code=s3-_cret"),
            "In Slack, type /account to link it, and /ticket to file a ticket.",
            "If you did not sign up, someone else did with your address. To take the account "
            "over, choose a new password.",
            Link("Choose a new password", f"{URL}/forgot"),
        ),
    )
    without_pages = render(EmailKind.WELCOME, EMMA, app_name=NAME, app_url=None).body
    assert without_pages == (
        "Hello,",
        "You now have an account at Help desk, with the address emma@example.com.",
        "In Slack, type /account to link it, and /ticket to file a ticket.",
    )


def test_confirm() -> None:
    path = confirmation_path("s3-_cret")
    assert render(
        EmailKind.CONFIRM, EMMA, app_name=NAME, app_url=URL, confirmation_path=path
    ) == EmailContent(
        "Confirm your address",
        (
            "Hello,",
            "Confirm that emma@example.com is your address, with the password of your account at "
            "Help desk. The link works once, and for three days.",
            Link("Confirm your address", f"{URL}/confirm?code=s3-_cret"),
            "If you did not ask for this, ignore this email.",
        ),
    )


def test_account_disowned() -> None:
    assert render(EmailKind.ACCOUNT_DISOWNED, EMMA, app_name=NAME, app_url=URL) == EmailContent(
        "An account with your address was closed",
        (
            "Hello,",
            "An account at Help desk had your address emma@example.com, which was never "
            "confirmed. In Slack, you said that the account is not yours.",
            "It is closed: its password is removed, and all its sessions are signed out. Its "
            "tickets stay, with the note that they were filed before your address was confirmed.",
            "If that was not you, tell an admin of Help desk.",
        ),
    )


def test_reset() -> None:
    assert render(
        EmailKind.RESET, EMMA, app_name=NAME, app_url=URL, reset_path=reset_path("s3-_cret")
    ) == EmailContent(
        "Choose a new password",
        (
            "Hello,",
            "Someone, probably you, asked for a new password for your account at Help desk.",
            Link("Choose a new password", f"{URL}/reset?code=s3-_cret"),
            "The link works once, and for an hour. Never share it: anyone who has it can sign "
            "in as you.",
            "If you did not ask for it, there is nothing to do: your password stays as it is.",
        ),
    )


def test_password_changed() -> None:
    assert render(EmailKind.PASSWORD_CHANGED, EMMA, app_name=NAME, app_url=URL) == EmailContent(
        "Your password was changed",
        (
            "Hello,",
            "The password of your account at Help desk was changed, and all other sessions are "
            "signed out.",
            "If that was not you, choose a new password now, and tell an admin of Help desk.",
            Link("Choose a new password", f"{URL}/forgot"),
        ),
    )


def test_linked() -> None:
    assert render(
        EmailKind.LINKED, EMMA, app_name=NAME, app_url=URL, **link_values("Emma P.")
    ) == EmailContent(
        "Your account was linked to Slack",
        (
            "Hello,",
            "The Slack member “Emma P.” was linked to your account at Help desk, and acts for you "
            "from now on.",
            "If that was not you, change your password now, press Unlink on your profile, and "
            "tell an admin of Help desk.",
            PROFILE,
        ),
    )


def test_unlinked() -> None:
    assert render(
        EmailKind.UNLINKED, EMMA, app_name=NAME, app_url=URL, **link_values("")
    ) == EmailContent(
        "Your account was unlinked from Slack",
        (
            "Hello,",
            "A Slack member is no longer linked to your account at Help desk. Your tickets stay as "
            "they are. In Slack, type /account to link one again.",
            "If that was not you, tell an admin of Help desk.",
            PROFILE,
        ),
    )


def test_assigned() -> None:
    ticket = sample_ticket(title="VPN drops")
    assert assigned(EMMA, ticket) == EmailContent(
        "Ticket 12 is yours: VPN drops",
        (
            "Hello,",
            "Ticket 12 is assigned to you:",
            "“VPN drops”",
            "Filed by Jo. Why you: knows VPN.",
            "To work on it, type /ticket 12 in Slack.",
        ),
    )


def test_a_ticket_without_a_number() -> None:
    ticket = sample_ticket(number=None, title="VPN drops")
    said = assigned(EMMA, ticket)
    assert said.subject == "A ticket is yours: VPN drops"
    assert said.body[1] == "A ticket is assigned to you:"
    assert said.body[-1] == "To work on it, open the app's Home in Slack."


def test_without_pages_no_email_has_a_link() -> None:
    values = {"reset_path": "/x", "member": "Jo", "title": "x", "origin": "Filed by Jo"}
    values |= {"name": "Ticket 1", "reason": "x", "find": "", "confirmation_path": "/x"}
    emails = [render(kind, EMMA, app_name=NAME, app_url=None, **values) for kind in EmailKind]
    assert [part for email in emails for part in email.body if isinstance(part, Link)] == []


@pytest.mark.parametrize("kind", EmailKind)
def test_a_sign_up_name_is_in_no_email_to_the_account(kind: EmailKind) -> None:
    values = {"reset_path": "/x", "member": "Jo", "title": "x", "origin": "Filed by Jo"}
    values |= {"name": "Ticket 1", "reason": "x", "find": "", "confirmation_path": "/x"}
    squatter = replace(EMMA, name="http://evil.test/click win a prize")
    email = render(kind, squatter, app_name=NAME, app_url=URL, **values)
    assert email.body[0] == "Hello,"
    assert "evil" not in str(email)


def test_what_people_wrote_is_one_line_and_not_longer_than_needed() -> None:
    ticket = sample_ticket(title="VPN\r\nBcc: all@example.com\u202e " + "x" * 10_000)
    said = assigned(EMMA, ticket, requester="Jo\nFrom", reason="knows\nVPN")
    assert said.subject.startswith("Ticket 12 is yours: VPN Bcc: all@example.com xxx")
    assert said.subject.endswith("x…")
    assert len(said.subject) == len("Ticket 12 is yours: ") + 150
    assert said.body[3] == "Filed by Jo From. Why you: knows VPN."


def test_what_is_for_moderators_in_slack_is_not_in_the_mail() -> None:
    ticket = sample_ticket(
        summary="canary summary",
        helpful_notes="canary notes",
        description="canary description",
        assignment={"analysis": {"notes": "canary"}},
    )
    assert "canary" not in repr(assigned(EMMA, ticket))


def test_a_secret_in_the_title_is_hidden() -> None:
    title = "VPN password: hunter2"
    content = assigned(EMMA, sample_ticket(title=title))
    assert content.subject == "Ticket 12 is yours: VPN password: [password removed]"
    assert "hunter2" not in str(content)
