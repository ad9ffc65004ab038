"""The modal with the changes of a person's account, from the audit log."""

from collections.abc import Callable, Mapping

from bson import ObjectId

from bot.views.blocks import context, header, text_section
from bot.views.due_text import format_datetime
from bot.views.history import join_lines
from bot.views.inputs import View, modal
from bot.views.modals.person import ROLE_LABELS
from bot.views.text import MAX_NAME_LENGTH, escape, mrkdwn
from services.account_admin.audit_trail import MAX_CHANGES, PersonChanges
from services.audit.audit_log import (
    COMMAND_LINE,
    SELF,
    SYSTEM,
    AuditAction,
    AuditEntry,
    account_field,
)
from services.core.coerce import as_datetime, as_string_list
from services.core.text import truncate

MAX_VALUE_LENGTH = 150
NO_CHANGES = "No changes are recorded for this account."


def person_changes_modal(changes: PersonChanges) -> View:
    user = changes.user
    lines = [_line(entry, changes) for entry in changes.entries]
    if changes.has_more:
        lines.append(f"_Only the newest {MAX_CHANGES} changes are shown._")
    blocks = [context(mrkdwn(text)) for text in join_lines(lines)]
    return modal(
        title="Changes",
        close="Back",
        blocks=[
            header(f"Changes of {truncate(user.display_name, MAX_NAME_LENGTH)}"),
            *(blocks or [text_section(NO_CHANGES)]),
        ],
    )


def _line(entry: AuditEntry, changes: PersonChanges) -> str:
    phrase = _PHRASES.get(entry.action, _other_phrase)(entry)
    return f"{_author(entry, changes)} {phrase} · {format_datetime(entry.at)}"


def _author(entry: AuditEntry, changes: PersonChanges) -> str:
    if entry.by in (COMMAND_LINE, SYSTEM):
        return "An operator" if entry.by == COMMAND_LINE else escape(changes.app_name)
    author = changes.user if entry.by == SELF else changes.authors.get(ObjectId(entry.by))
    return (
        escape(truncate(author.display_name, MAX_NAME_LENGTH)) if author else "A former colleague"
    )


def _created(entry: AuditEntry) -> str:
    return f"created the account with the role {_role(entry.to)}"


def _role_phrase(entry: AuditEntry) -> str:
    return f"changed the role from {_role(entry.from_)} to {_role(entry.to)}"


def _skills_phrase(entry: AuditEntry) -> str:
    return f"changed the skills from {_listed(entry.from_)} to {_listed(entry.to)}"


def _capacity_phrase(entry: AuditEntry) -> str:
    return f"changed the capacity from {_shown(entry.from_)} to {_shown(entry.to)}"


def _private_tickets_phrase(entry: AuditEntry) -> str:
    verb = "chose" if entry.to else "no longer chose"
    return f"{verb} the account for private tickets"


def _active_phrase(entry: AuditEntry) -> str:
    return "activated the account" if entry.to else "deactivated the account"


def _away_phrase(entry: AuditEntry) -> str:
    until = as_datetime(entry.to)
    return (
        f"set them out of office until {format_datetime(until)}" if until else "ended the absence"
    )


def _fixed(phrase: str) -> Callable[[AuditEntry], str]:
    return lambda _: phrase


def _other_phrase(entry: AuditEntry) -> str:
    return f"changed the account ({escape(entry.action.removeprefix(account_field('')))})"


_PHRASES: Mapping[str, Callable[[AuditEntry], str]] = {
    AuditAction.CREATED: _created,
    AuditAction.LINKED: _fixed("linked the account to a Slack member"),
    AuditAction.UNLINKED: _fixed("unlinked the account from a Slack member"),
    AuditAction.RESET_LINK_ISSUED: _fixed("issued a link to set a new password"),
    AuditAction.PASSWORD_RESET: _fixed("set a new password by a reset link"),
    account_field("role"): _role_phrase,
    account_field("skills"): _skills_phrase,
    account_field("capacity"): _capacity_phrase,
    account_field("active"): _active_phrase,
    account_field("name"): _fixed("changed the name"),
    account_field("email"): _fixed("changed the email address"),
    account_field("password"): _fixed("changed the password"),
    account_field("away"): _away_phrase,
    account_field("workHours"): _fixed("changed the working hours"),
    account_field("country"): _fixed("changed the country"),
    account_field("timezone"): _fixed("changed the time zone"),
    account_field("privateTickets"): _private_tickets_phrase,
}


def _role(value: object) -> str:
    return next((label for role, label in ROLE_LABELS.items() if role == value), _shown(value))


def _listed(value: object) -> str:
    return _shown(", ".join(as_string_list(value))) if value else "none"


def _shown(value: object) -> str:
    return escape(truncate(str(value), MAX_VALUE_LENGTH))
