"""Validation of an account's fields, from a form or from JSON."""

from collections.abc import Sequence
from unicodedata import normalize

from services.core.database import Document
from services.core.errors import InvalidValue
from services.core.text import EMAIL_PATTERN, strip_invisible
from services.models.user import Role

MAX_NAME_LENGTH = 80
MAX_EMAIL_LENGTH = 254  # RFC 5321, 4.5.3.1.3: a path of 256 octets less its angle brackets
MAX_SKILLS = 20
MAX_SKILL_LENGTH = 50


def email_key(email: str) -> str:
    """Return the key an address is stored and looked up by: stripped, lower case, normalised.

    Unicode has several encodings of one address: é may be one character, or an e and an accent.
    """
    return _in_one_spelling(email).strip().lower()


def checked_string(field: str, value: str) -> str:
    """Refuse anything but text: an object such as `{"$gt": ""}` would be a query's condition."""
    if not isinstance(value, str):
        raise InvalidValue(field, f"Write the {field} as text.")
    return value


def checked_email(email: str) -> str:
    """Return the address as it is stored."""
    typed = strip_invisible(email).strip()
    address = _in_one_spelling(typed)
    for written in (typed, address):
        if len(written) > MAX_EMAIL_LENGTH or not EMAIL_PATTERN.fullmatch(written):
            raise InvalidValue(
                "email", "That is not an email address. Write it like name@example.com."
            )
    return address


def checked_name(name: str | None) -> str | None:
    """Return the name on one line, or None if it is empty."""
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


def checked_skills(skills: Sequence[str]) -> list[str]:
    """Return the skills stripped, without blanks or duplicates that differ only in case."""
    if not isinstance(skills, (list, tuple)) or not all(isinstance(one, str) for one in skills):
        raise InvalidValue("skills", "Write the skills as a list of texts.")
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


def checked_account_values(
    *, name: str | None = None, role: str | None = None, skills: Sequence[str] | None = None
) -> Document:
    """Return what to store of an account; None leaves a field unchanged, a name "" removes it."""
    values: Document = {}
    if name is not None:
        values["name"] = checked_name(name)
    if role is not None:
        values["role"] = checked_role(role).value
    if skills is not None:
        values["skills"] = checked_skills(skills)
    return values


def _composed(skill: str) -> str:
    """Compose letters with their accents, which some keyboards send separately."""
    return normalize("NFC", skill) if len(skill) <= 2 * MAX_SKILL_LENGTH else skill


def _in_one_spelling(email: str) -> str:
    """Normalise; skip what is too long for an address: many accents take minutes to sort."""
    return normalize("NFKC", email) if len(email) <= MAX_EMAIL_LENGTH else email
