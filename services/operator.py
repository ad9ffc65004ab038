"""What whoever has a shell on the server may do to accounts; each returns the lines to print."""

import json

from services import resets
from services.codes import Codes
from services.errors import NotFound
from services.leaving import NAME, Erased, Leaving
from services.models import Role, User
from services.permissions import OPERATOR
from services.takeout import Takeout
from services.users import UserService


def manage(
    users: UserService,
    *,
    action: str,
    email: str = "",
    role: str = Role.USER.value,
    skills: str = "",
    name: str | None = None,
) -> list[str]:
    """`create`, `role`, `skills` or `list`. Raises the service's errors."""
    listed = skills.split(",")
    if action == "create":
        made = users.create(actor=OPERATOR, email=email, role=Role(role), skills=listed, name=name)
        return [_line(made)]
    if action == "role":
        return [_line(users.set_role(actor=OPERATOR, email=email, role=Role(role)))]
    if action == "skills":
        return [_line(users.set_skills(actor=OPERATOR, email=email, skills=listed))]
    return [_line(user) for user in users.everyone(actor=OPERATOR)]


def reset_link(users: UserService, codes: Codes, *, app_url: str, email: str) -> str:
    """Where the account's owner sets a new password, once, within an hour."""
    code = resets.issue(users, codes, actor=OPERATOR, email=email)
    return app_url + resets.path_of(code)


def erase(leaving: Leaving, *, email: str) -> list[str]:
    """Nothing is asked first; the lines say what was done."""
    done = leaving.erase(actor=OPERATOR, email=email)
    if not done:
        return ["There is no account with that address, so there is nothing to erase."]
    return [line for erased in done for line in _erased(erased)]


def export(takeout: Takeout, *, email: str) -> str:
    """JSON, to be read by people as well."""
    found = takeout.export(actor=OPERATOR, email=email)
    if not found["accounts"]:
        raise NotFound("There is no account with that address.")
    return json.dumps(found, indent=2, ensure_ascii=False)


def _erased(erased: Erased) -> list[str]:
    return [
        f"Account {erased.user_id} is deactivated, signed out everywhere and called “{NAME}”.",
        f"Address, name, password, skills and profile are removed; Slack links: {erased.links}, "
        f"letters: {erased.letters}.",
        f"Open tickets handed back: {erased.handed_back}. Tickets freed of what leads to the "
        f"person in Slack: {erased.tickets}.",
        "The tickets stay, and what people wrote in them was not changed.",
    ]


def _line(user: User) -> str:
    state = "" if user.active else "  (deactivated)"
    return f"{user.email}  {user.role}  {', '.join(user.skills) or '-'}{state}"
