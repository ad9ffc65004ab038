"""What whoever has a shell on the server may do to accounts; each returns the lines to print."""

from services.models import Role, User
from services.permissions import OPERATOR
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


def _line(user: User) -> str:
    state = "" if user.active else "  (deactivated)"
    return f"{user.email}  {user.role}  {', '.join(user.skills) or '-'}{state}"
