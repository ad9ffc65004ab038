"""Validation of an account's fields, whether they come from a form or as JSON from any caller."""

from collections.abc import Sequence
from unicodedata import normalize

from services.core.errors import InvalidValue
from services.core.text import EMAIL_PATTERN, strip_invisible
from services.models.user import Role

MAX_NAME_LENGTH = 80
MAX_EMAIL_LENGTH = 254  # RFC 5321, 4.5.3.1.3: a path of 256 octets less its angle brackets
MAX_SKILLS = 20
MAX_SKILL_LENGTH = 50


def email_key(email: str) -> str:
    """What an address is stored and looked up by: stripped, lower case, in one spelling.

    Unicode has several for what looks the same and gets the same mail: é may be an e and an accent.
    """
    return _in_one_spelling(email).strip().lower()


def checked_string(field: str, value: str) -> str:
    """The value, if it is a text. An object such as `{"$gt": ""}` would be a query's condition."""
    if not isinstance(value, str):
        raise InvalidValue(field, f"Write the {field} as text.")
    return value


def checked_email(email: str) -> str:
    """As it is to be stored. Raises `InvalidValue`."""
    typed = strip_invisible(email).strip()
    address = _in_one_spelling(typed)
    for written in (typed, address):
        if len(written) > MAX_EMAIL_LENGTH or not EMAIL_PATTERN.fullmatch(written):
            raise InvalidValue(
                "email", "That is not an email address. Write it like name@example.com."
            )
    return address


def checked_name(name: str | None) -> str | None:
    """On one line; None for none."""
    if name is None:
        return None
    text = " ".join(strip_invisible(checked_string("name", name)).split())
    if len(text) > MAX_NAME_LENGTH:
        raise InvalidValue("name", f"A name has at most {MAX_NAME_LENGTH} characters.")
    return text or None


def checked_role(role: str) -> Role:
    if not isinstance(role, str) or role not in set(Role):
        raise InvalidValue("role", f"Choose one of {', '.join(Role)}.")
    return Role(role)


def checked_skill_list(skills: Sequence[str]) -> list[str]:
    if not isinstance(skills, (list, tuple)) or not all(isinstance(one, str) for one in skills):
        raise InvalidValue("skills", "Write the skills as a list of texts.")
    return checked_skills(skills)


def checked_skills(skills: Sequence[str]) -> list[str]:
    """Stripped, without blanks, each once whatever its capitals, as it was written first."""
    unique: dict[str, str] = {}
    for skill in skills:
        name = _composed(" ".join(strip_invisible(skill).split()))
        unique.setdefault(name.casefold(), name)
    unique.pop("", None)
    if len(unique) > MAX_SKILLS:
        raise InvalidValue("skills", f"Name at most {MAX_SKILLS} skills.")
    for skill in unique.values():
        if len(skill) > MAX_SKILL_LENGTH:
            raise InvalidValue("skills", f"A skill has at most {MAX_SKILL_LENGTH} characters.")
    return list(unique.values())


def _composed(skill: str) -> str:
    """With letters and their accents in one: some keyboards write them apart."""
    return normalize("NFC", skill) if len(skill) <= 2 * MAX_SKILL_LENGTH else skill


def _in_one_spelling(email: str) -> str:
    """What is too long for an address stays: a long row of accents takes minutes to be sorted."""
    return normalize("NFKC", email) if len(email) <= MAX_EMAIL_LENGTH else email
