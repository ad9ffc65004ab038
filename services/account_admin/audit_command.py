"""The `app.py audit` command: its arguments, and a line for each entry of the audit log."""

import argparse
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice

from bson import ObjectId

from services.account_admin.audit_trail import AuditTrail
from services.accounts.users import UserService
from services.audit.audit_log import AuditEntry
from services.core.text import strip_invisible
from services.models.permissions import OPERATOR
from services.models.user import User
from services.privacy.export import to_json_value

BATCH_SIZE = 500
# No account has the id: the person was erased.
ERASED = "(erased)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--since", type=_parse_time, metavar="DATE", help="for example 2026-03-01, in UTC"
    )
    parser.add_argument("--of", metavar="EMAIL", help="only changes by or of that person")


def run_audit_command(
    args: argparse.Namespace, *, audit_trail: AuditTrail, users: UserService
) -> Iterator[str]:
    """Yield a line for each entry, the oldest first: time, author, action, subject, values.

    Raises the services' errors.
    """
    entries = audit_trail.entries(actor=OPERATOR, since=args.since, email=args.of)
    while batch := list(islice(entries, BATCH_SIZE)):
        yield from _lines(batch, users)


def _lines(entries: Iterable[AuditEntry], users: UserService) -> Iterator[str]:
    sides = {side for entry in entries for side in (entry.by, entry.subject)}
    people = users.get_many({side for side in sides if isinstance(side, ObjectId)})

    def name(side: ObjectId | str) -> str:
        if not isinstance(side, ObjectId):
            return side
        user: User | None = people.get(side)
        return f"{side} {user.email if user else ERASED}"

    for entry in entries:
        values = f"{_json(entry.from_)} -> {_json(entry.to)}"
        has_values = entry.from_ is not None or entry.to is not None
        columns = [
            f"{entry.at:%Y-%m-%dT%H:%M:%SZ}",
            name(entry.by),
            entry.action,
            name(entry.subject),
            *([values] if has_values else []),
        ]
        yield "  ".join(" ".join(strip_invisible(column).split()) for column in columns)


def _json(value: object) -> str:
    return json.dumps(to_json_value(value), ensure_ascii=False)


def _parse_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no date; write one like 2026-03-01"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
