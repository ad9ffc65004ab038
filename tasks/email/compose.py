"""Compose emails from templates: plain text and HTML, safe from header injection. Pure.

For the account's owner only. Without internal fields and without the AI's text: email is forwarded.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html import escape

from bot.views.text import masked
from services.core.text import EMAIL_PATTERN, strip_invisible, truncate
from services.models.ticket import Ticket
from services.models.user import User
from services.outbox.emails import EmailKind
from services.team_settings.app_name import DEFAULT_APP_NAME

MAX_TITLE_LENGTH = 150
MAX_NAME_LENGTH = 80
FOOTER = "Sent by {app}. Replies to this address are not read."
MAX_SUBJECT_LENGTH = 200
# ASCII in short lines, which every server forwards unchanged.
TRANSFER_ENCODING = "quoted-printable"
# Begins an encoded word (RFC 2047). The standard library decodes it in a header's value, including
# line breaks, so that a sender could add headers.
ENCODED_WORD_START = "=?"
DOMAIN_PATTERN = re.compile(r"[\w-]+(\.[\w-]+)+", re.ASCII)

_PAGE = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title></head>
<body style="margin:0;padding:24px;background:#f5f5f4;color:#1c1917;\
font:16px/1.5 system-ui,sans-serif">
<div style="max-width:560px;margin:0 auto;padding:24px;background:#ffffff;border-radius:8px;\
overflow-wrap:anywhere">
{body}
<p style="margin:24px 0 0;color:#57534e;font-size:14px">{footer}</p>
</div>
</body>
</html>
"""
_PARAGRAPH = '<p style="margin:0 0 16px">{text}</p>'
# A button, as on the pages; mail programs without such styles show a link.
_LINK = """\
<p style="margin:24px 0"><a href="{url}" style="display:inline-block;padding:11px 18px;\
border-radius:8px;background:#1d4ed8;color:#ffffff;font-weight:600;text-decoration:none">\
{label}</a></p>"""


@dataclass(frozen=True, slots=True)
class Link:
    """In a template `url` is a path below APP_URL, and the text `lead` stands above the link."""

    label: str
    url: str
    lead: str = ""


@dataclass(frozen=True, slots=True)
class EmailContent:
    """`body` is in paragraphs of one line each; `app_name` names the sender."""

    subject: str
    body: tuple[str | Link, ...]
    app_name: str = DEFAULT_APP_NAME

    @property
    def footer(self) -> str:
        return FOOTER.format(app=self.app_name)


_PROFILE = Link("Your profile", "/profile")
_TEMPLATES: Mapping[EmailKind, EmailContent] = {
    EmailKind.WELCOME: EmailContent(
        "Welcome to {app}",
        (
            "You now have an account at {app}, with the address {email}.",
            Link(
                "Confirm your address",
                "{confirmation_path}",
                "Confirm that the address is yours, with your password. The link works once, and "
                "for three days.",
            ),
            "In Slack, type /account to link it, and /ticket to file a ticket.",
            Link(
                "Choose a new password",
                "/forgot",
                "If you did not sign up, someone else did with your address. To take the account "
                "over, choose a new password.",
            ),
        ),
    ),
    EmailKind.CONFIRM: EmailContent(
        "Confirm your address",
        (
            "Confirm that {email} is your address, with the password of your account at {app}. The "
            "link works once, and for three days.",
            Link("Confirm your address", "{confirmation_path}"),
            "If you did not ask for this, ignore this email.",
        ),
    ),
    EmailKind.ACCOUNT_DISOWNED: EmailContent(
        "An account with your address was closed",
        (
            "An account at {app} had your address {email}, which was never confirmed. In "
            "Slack, you said that the account is not yours.",
            "It is closed: its password is removed, and all its sessions are signed out. Its "
            "tickets stay, with the note that they were filed before your address was confirmed.",
            "If that was not you, tell an admin of {app}.",
        ),
    ),
    EmailKind.RESET: EmailContent(
        "Choose a new password",
        (
            "Someone, probably you, asked for a new password for your account at {app}.",
            Link("Choose a new password", "{reset_path}"),
            "The link works once, and for an hour. Never share it: anyone who has it can sign in "
            "as you.",
            "If you did not ask for it, there is nothing to do: your password stays as it is.",
        ),
    ),
    EmailKind.PASSWORD_CHANGED: EmailContent(
        "Your password was changed",
        (
            "The password of your account at {app} was changed, and all other sessions are signed "
            "out.",
            "If that was not you, choose a new password now, and tell an admin of {app}.",
            Link("Choose a new password", "/forgot"),
        ),
    ),
    EmailKind.LINKED: EmailContent(
        "Your account was linked to Slack",
        (
            "{member} was linked to your account at {app}, and acts for you from now on.",
            "If that was not you, change your password now, press Unlink on your profile, and "
            "tell an admin of {app}.",
            _PROFILE,
        ),
    ),
    EmailKind.UNLINKED: EmailContent(
        "Your account was unlinked from Slack",
        (
            "{member} is no longer linked to your account at {app}. Your tickets stay as they are. "
            "In Slack, type /account to link one again.",
            "If that was not you, tell an admin of {app}.",
            _PROFILE,
        ),
    ),
    EmailKind.ASSIGNED: EmailContent(
        "{name} is yours: {title}",
        (
            "{name} is assigned to you:",
            "“{title}”",
            "{origin}. Why you: {reason}.",
            "To work on it, {find}.",
        ),
    ),
}


# Email is forwarded and stored elsewhere, so of a private ticket it has the number only.
_PRIVATE_ASSIGNMENT = EmailContent(
    "{name} is yours", ("{name} is assigned to you. It is private.", "To work on it, {find}.")
)


def render(
    kind: EmailKind, user: User, *, app_name: str, app_url: str | None, **values: str
) -> EmailContent:
    """Fill in the template with `values`. Without `app_url` the email has no links.

    The account's name is left out: at sign-up, anyone can enter any text for any address.
    """
    is_private = kind is EmailKind.ASSIGNED and not values["title"]
    template = _PRIVATE_ASSIGNMENT if is_private else _TEMPLATES[kind]
    values |= {"email": one_line(user.email), "app": app_name}
    body: list[str | Link] = ["Hello,"]
    for part in template.body:
        if isinstance(part, str):
            body.append(part.format_map(values))
        elif app_url:
            body += [part.lead] if part.lead else []
            body.append(Link(part.label, app_url + part.url.format_map(values)))
    return EmailContent(template.subject.format_map(values), tuple(body), app_name)


def assignment_values(
    ticket: Ticket, *, requester: str, reason: str, filed_by: str = ""
) -> dict[str, str]:
    """The values for `EmailKind.ASSIGNED`; the title is "" if the ticket is private. `reason` is a
    phrase: why the ticket was assigned to this user. `filed_by` filed it for the requester."""
    requester, filer = (truncate(one_line(name), MAX_NAME_LENGTH) for name in (requester, filed_by))
    return {
        "title": ""
        if ticket.private
        else truncate(one_line(masked(ticket.title)), MAX_TITLE_LENGTH),
        "name": f"Ticket {ticket.number}" if ticket.number else "A ticket",
        "origin": f"Requested by {requester}, filed by {filer}"
        if filer
        else f"Filed by {requester}",
        "find": f"type /ticket {ticket.number} in Slack"
        if ticket.number
        else "open the app's Home in Slack",
        "reason": one_line(reason),
    }


def link_values(slack_name: str) -> dict[str, str]:
    """The value for `EmailKind.LINKED` and `UNLINKED`; the name may be empty."""
    name = truncate(one_line(slack_name), MAX_NAME_LENGTH)
    return {"member": f"The Slack member “{name}”" if name else "A Slack member"}


def one_line(text: str) -> str:
    """Return the visible characters, in one line."""
    return " ".join(strip_invisible(text).split())


class BadAddressError(ValueError):
    """Not an address that email can be sent to."""


def build_email(
    content: EmailContent, *, sender: Address, recipient: Address, message_id: str, now: datetime
) -> EmailMessage:
    """Build the message. `message_id` is the part of its Message-ID before the @, so that mail
    programs recognise a repeated email."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(_header_text(content.app_name), sender.username, sender.domain)
    mail["To"] = recipient
    mail["Subject"] = _header_text(content.subject)[:MAX_SUBJECT_LENGTH]
    mail["Date"] = now
    mail["Message-ID"] = f"<{message_id}@{sender.domain}>"
    # RFC 3834: prevents automatic replies.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_text(content), cte=TRANSFER_ENCODING)
    mail.add_alternative(_html(content), subtype="html", cte=TRANSFER_ENCODING)
    return mail


def _header_text(text: str) -> str:
    return one_line(text).replace(ENCODED_WORD_START, "= ?")


def parse_address(email: str) -> Address:
    """Raises `BadAddressError`."""
    email = email.strip()
    local, _, domain = email.rpartition("@")
    if not email.isprintable() or not EMAIL_PATTERN.fullmatch(email) or ENCODED_WORD_START in email:
        raise BadAddressError("not an address")
    try:
        if not domain.isascii():
            domain = domain.encode("idna").decode()
        if not DOMAIN_PATTERN.fullmatch(domain):
            raise BadAddressError("not an address")
        return Address(username=local, domain=domain)
    except ValueError as error:  # also UnicodeError, for an invalid domain
        raise BadAddressError("not an address") from error


def _text(content: EmailContent) -> str:
    parts = [f"{p.label}:\n{p.url}" if isinstance(p, Link) else p for p in content.body]
    return "\n\n".join([*parts, f"-- \n{content.footer}"]) + "\n"


def _html(content: EmailContent) -> str:
    body = "\n".join(
        _LINK.format(url=escape(part.url), label=escape(part.label))
        if isinstance(part, Link)
        else _PARAGRAPH.format(text=escape(part))
        for part in content.body
    )
    return _PAGE.format(title=escape(content.subject), body=body, footer=escape(content.footer))
