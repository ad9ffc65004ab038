"""Templates of the emails. Pure; the text is plain and becomes HTML in tasks/email/mime.py.

For the account's owner only. Without internal fields and without the AI's text: email is forwarded.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.core.text import strip_invisible, truncate
from services.models.ticket import Ticket
from services.models.user import User
from services.outbox.emails import EmailKind

MAX_TITLE_LENGTH = 150
MAX_NAME_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Link:
    """In a template `url` is a path below APP_URL."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class EmailContent:
    """`body` is in paragraphs of one line each."""

    subject: str
    body: tuple[str | Link, ...]


_PROFILE = Link("Your profile", "/profile")
_TEMPLATES: Mapping[EmailKind, EmailContent] = {
    EmailKind.WELCOME: EmailContent(
        "Welcome to the help desk",
        (
            "You have an account at the help desk now, for the address {email}.",
            "In Slack, type /account to say that it is yours, and /ticket to file a ticket.",
            _PROFILE,
        ),
    ),
    EmailKind.RESET: EmailContent(
        "Choose a new password",
        (
            "Somebody, probably you, asked for a new password for your help desk account.",
            Link("Choose a new password", "{reset_path}"),
            "The link works once, and for an hour. Never pass it on: whoever has it can sign in "
            "as you.",
            "If you did not ask for it, there is nothing to do: your password stays as it is.",
        ),
    ),
    EmailKind.PASSWORD_CHANGED: EmailContent(
        "Your password was changed",
        (
            "The password of your help desk account was changed, and everybody who was signed in "
            "with the old one is signed out.",
            "If that was not you, choose a new password at once, and tell an admin of your help "
            "desk.",
            Link("Choose a new password", "/forgot"),
        ),
    ),
    EmailKind.LINKED: EmailContent(
        "Your account was linked to Slack",
        (
            "{member} was linked to your help desk account, and acts as you from now on.",
            "If that was not you, change your password at once, press Unlink on your profile, and "
            "tell an admin of your help desk.",
            _PROFILE,
        ),
    ),
    EmailKind.UNLINKED: EmailContent(
        "Your account was unlinked from Slack",
        (
            "{member} is no longer linked to your help desk account. Your tickets stay as they "
            "are. In Slack, /account links an account again.",
            "If that was not you, tell an admin of your help desk.",
            _PROFILE,
        ),
    ),
    EmailKind.ASSIGNED: EmailContent(
        "{name} is yours: {title}",
        (
            "{name} is assigned to you:",
            "“{title}”",
            "Filed by {requester}. Why you: {reason}.",
            "To work on it, open Slack: {find}open the app's Home.",
        ),
    ),
}


def render(kind: EmailKind, user: User, *, app_url: str | None, **values: str) -> EmailContent:
    """Fill in the template with `values`. Without `app_url` the email has no links."""
    template = _TEMPLATES[kind]
    values["email"] = one_line(user.email)
    name = truncate(one_line(user.name or ""), MAX_NAME_LENGTH)
    body: list[str | Link] = [f"Hello {name}," if name else "Hello,"]
    for part in template.body:
        if isinstance(part, str):
            body.append(part.format_map(values))
        elif app_url:
            body.append(Link(part.label, app_url + part.url.format_map(values)))
    return EmailContent(template.subject.format_map(values), tuple(body))


def assignment_values(ticket: Ticket, *, requester: str, reason: str) -> dict[str, str]:
    """The values for `EmailKind.ASSIGNED`. `reason` is a phrase: why the ticket was assigned to
    this user."""
    return {
        "title": truncate(one_line(ticket.title), MAX_TITLE_LENGTH),
        "name": f"Ticket {ticket.number}" if ticket.number else "A ticket",
        "requester": truncate(one_line(requester), MAX_NAME_LENGTH),
        "find": f"type /ticket view {ticket.number}, or " if ticket.number else "",
        "reason": one_line(reason),
    }


def link_values(slack_name: str) -> dict[str, str]:
    """The value for `EmailKind.LINKED` and `UNLINKED`; the name may be empty."""
    name = truncate(one_line(slack_name), MAX_NAME_LENGTH)
    return {"member": f"The Slack member “{name}”" if name else "A Slack member"}


def one_line(text: str) -> str:
    """Return the visible characters, in one line."""
    return " ".join(strip_invisible(text).split())
