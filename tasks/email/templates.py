"""Templates of the emails. Pure; the text is plain and becomes HTML in tasks/email/mime.py.

For the account's owner only. What is internal or by the model is not in it: mail travels far.
"""

from dataclasses import dataclass

from bot.views.text import truncate
from services.auth.password_reset import reset_path
from services.core.text import strip_invisible
from services.models.ticket import Ticket
from services.models.user import User

MAX_TITLE_LENGTH = 150
MAX_NAME_LENGTH = 80
NOT_YOU = "If that was not you"


@dataclass(frozen=True, slots=True)
class Link:
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class EmailContent:
    """`body` is in paragraphs of one line each."""

    subject: str
    body: tuple[str | Link, ...]


def welcome(user: User, *, app_url: str | None) -> EmailContent:
    return EmailContent(
        "Welcome to the help desk",
        (
            _greeting(user),
            f"You have an account at the help desk now, for the address {one_line(user.email)}.",
            "In Slack, type /account to say that it is yours, and /ticket to file a ticket.",
            *_link("Your profile", app_url, "/profile"),
        ),
    )


def reset(user: User, *, app_url: str, code: str) -> EmailContent:
    return EmailContent(
        "Choose a new password",
        (
            _greeting(user),
            "Somebody, probably you, asked for a new password for your help desk account.",
            Link("Choose a new password", app_url + reset_path(code)),
            "The link works once, and for an hour. Never pass it on: whoever has it can sign in "
            "as you.",
            "If you did not ask for it, there is nothing to do: your password stays as it is.",
        ),
    )


def password_changed(user: User, *, app_url: str | None) -> EmailContent:
    return EmailContent(
        "Your password was changed",
        (
            _greeting(user),
            "The password of your help desk account was changed, and everybody who was signed in "
            "with the old one is signed out.",
            f"{NOT_YOU}, choose a new password at once, and tell an admin of your help desk.",
            *_link("Choose a new password", app_url, "/forgot"),
        ),
    )


def linked(user: User, *, slack_name: str, app_url: str | None) -> EmailContent:
    return EmailContent(
        "Your account was linked to Slack",
        (
            _greeting(user),
            f"{_member(slack_name)} was linked to your help desk account, and acts as you from "
            "now on.",
            f"{NOT_YOU}, change your password at once, press Unlink on your profile, and tell an "
            "admin of your help desk.",
            *_link("Your profile", app_url, "/profile"),
        ),
    )


def unlinked(user: User, *, slack_name: str, app_url: str | None) -> EmailContent:
    return EmailContent(
        "Your account was unlinked from Slack",
        (
            _greeting(user),
            f"{_member(slack_name)} is no longer linked to your help desk account. Your tickets "
            "stay as they are. In Slack, /account links an account again.",
            f"{NOT_YOU}, tell an admin of your help desk.",
            *_link("Your profile", app_url, "/profile"),
        ),
    )


def assigned(user: User, ticket: Ticket, *, requester: str, reason: str) -> EmailContent:
    """`reason` is a phrase: why the ticket was assigned to this user."""
    title = truncate(one_line(ticket.title), MAX_TITLE_LENGTH)
    name = f"Ticket {ticket.number}" if ticket.number else "A ticket"
    filed_by = truncate(one_line(requester), MAX_NAME_LENGTH)
    find = f"type /ticket view {ticket.number}, or " if ticket.number else ""
    return EmailContent(
        f"{name} is yours: {title}",
        (
            _greeting(user),
            f"{name} is assigned to you:",
            f"“{title}”",
            f"Filed by {filed_by}. Why you: {one_line(reason)}.",
            f"To work on it, open Slack: {find}open the app's Home.",
        ),
    )


def one_line(text: str) -> str:
    """What can be seen of it, in one line."""
    return " ".join(strip_invisible(text).split())


def _greeting(user: User) -> str:
    name = truncate(one_line(user.name or ""), MAX_NAME_LENGTH)
    return f"Hello {name}," if name else "Hello,"


def _member(slack_name: str) -> str:
    name = truncate(one_line(slack_name), MAX_NAME_LENGTH)
    return f"The Slack member “{name}”" if name else "A Slack member"


def _link(label: str, app_url: str | None, path: str) -> tuple[Link, ...]:
    return (Link(label, f"{app_url}{path}"),) if app_url else ()
