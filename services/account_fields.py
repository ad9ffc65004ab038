"""What may stand in an account, checked as it comes from a form or from anybody's JSON."""

from collections.abc import Sequence

from services.errors import Invalid
from services.models import Role
from services.text import visible
from services.users import checked_skills

MAX_NAME = 80


def checked_text(field: str, value: str) -> str:
    """The value, if it is a text. An object such as `{"$gt": ""}` would be a query's condition."""
    if not isinstance(value, str):
        raise Invalid(field, f"Write the {field} as text.")
    return value


def checked_name(name: str | None) -> str | None:
    """On one line; None for none."""
    if name is None:
        return None
    text = " ".join(visible(checked_text("name", name)).split())
    if len(text) > MAX_NAME:
        raise Invalid("name", f"A name has at most {MAX_NAME} characters.")
    return text or None


def checked_skill_list(skills: Sequence[str]) -> list[str]:
    if not isinstance(skills, (list, tuple)) or not all(isinstance(one, str) for one in skills):
        raise Invalid("skills", "Write the skills as a list of texts.")
    return checked_skills(skills)


def checked_role(role: str) -> Role:
    if not isinstance(role, str) or role not in set(Role):
        raise Invalid("role", f"Choose one of {', '.join(Role)}.")
    return Role(role)
