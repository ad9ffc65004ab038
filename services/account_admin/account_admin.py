"""Accounts for admins, and the profile that every user may change."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bson import ObjectId

from services.accounts import account_search
from services.accounts.account_search import AccountCursor, AccountPage
from services.accounts.confirmation import UnconfirmedAddress
from services.accounts.users import UserService, load_account_doc, update_account
from services.accounts.validation import checked_account_values, checked_role, checked_skills
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.errors import Conflict, InvalidValue
from services.core.form_changes import changed_fields
from services.core.text import strip_invisible
from services.models.permissions import Actor, Permission, require_permission
from services.models.user import User
from services.tickets import release

MAX_CAPACITY = 100
# The maximum length of a form's input.
MAX_SKILLS_TEXT_LENGTH = 3_000
ACTIVE, DEACTIVATED = "active", "deactivated"
_COUNT = re.compile(r"\d{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class PersonFields:
    """An account as a form shows and submits it: every field as text."""

    role: str
    skills: str
    capacity: str
    active: str

    @classmethod
    def from_user(cls, user: User) -> "PersonFields":
        return cls(
            role=user.role.value,
            skills=format_skills(user.skills),
            capacity=str(user.capacity),
            active=ACTIVE if user.active else DEACTIVATED,
        )


def format_skills(skills: Sequence[str]) -> str:
    """Return the skills separated by commas, as many as the form's input holds."""
    text = ""
    for skill in map(strip_invisible, skills):
        longer = f"{text}, {skill}" if text else skill
        length = len(longer.encode("utf-16-le")) // 2  # as Slack's clients count
        if length > MAX_SKILLS_TEXT_LENGTH:
            break
        text = longer
    return text


class AccountAdmin:
    def __init__(self, db: Mongo, users: UserService, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._users = users
        self._clock = clock

    def page(self, *, actor: Actor, cursor: AccountCursor) -> AccountPage:
        """Return a page of accounts, ordered by address."""
        require_permission(actor, Permission.MANAGE_USERS)
        return account_search.account_page(self._db, cursor)

    def get(self, *, actor: Actor, user_id: str) -> User:
        require_permission(actor, Permission.MANAGE_USERS)
        return User.from_doc(load_account_doc(self._db, user_id))

    def update(
        self, *, actor: Actor, user_id: str, shown: PersonFields, wanted: PersonFields
    ) -> User:
        """Store the fields that differ from what the form showed, as `update_account` does.

        Raises `InvalidValue`, also if another admin has changed the field since, for the last
        active admin, and for the role of an account whose address is not confirmed.
        """
        require_permission(actor, Permission.MANAGE_USERS)

        def changed_values(doc: Document) -> Document:
            stored = PersonFields.from_user(User.from_doc(doc))
            changed = changed_fields(stored=stored, shown=shown, submitted=wanted)
            values = {field: _checked_value(field, text) for field, text in changed.items()}
            self._users.confirmation.check_role_change(doc, values)
            return values

        try:
            return update_account(
                self._db,
                lambda: load_account_doc(self._db, user_id),
                changed_values,
                actor=actor,
                now=self._clock(),
            )
        except UnconfirmedAddress as refusal:
            raise InvalidValue("role", str(refusal)) from None
        except Conflict as refusal:  # for the last active admin
            is_deactivation = wanted.active == DEACTIVATED != shown.active
            field = "active" if is_deactivation else "role"
            raise InvalidValue(field, str(refusal)) from None

    def release_tickets(self, *, actor: Actor, user_id: ObjectId) -> list[ObjectId]:
        """Release a batch of an account's open tickets and return them; the sweep continues."""
        require_permission(actor, Permission.MANAGE_USERS)
        return release.release_tickets(self._db, user_id, now=self._clock())

    def get_own(self, *, actor: Actor) -> User:
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        return User.from_doc(load_account_doc(self._db, actor.user_id))

    def update_own(
        self, *, actor: Actor, name: str | None = None, skills: str | None = None
    ) -> User:
        """Set the actor's name and skills ("VPN, DNS"); None leaves a value unchanged."""
        require_permission(actor, Permission.EDIT_OWN_PROFILE)
        listed = None if skills is None else skills.split(",")
        values = checked_account_values(name=name, skills=listed)
        return update_account(
            self._db,
            lambda: load_account_doc(self._db, actor.user_id),
            lambda _: values,
            actor=actor,
            now=self._clock(),
        )


def _checked_value(field: str, text: str) -> object:
    if field == "role":
        return checked_role(text).value
    if field == "skills":
        return checked_skills(text.split(","))
    if field == "active":
        if text not in (ACTIVE, DEACTIVATED):
            raise InvalidValue("active", "Choose whether the account is active.")
        return text == ACTIVE
    if not _COUNT.fullmatch(text) or int(text) > MAX_CAPACITY:
        raise InvalidValue("capacity", f"Write a whole number from 0 to {MAX_CAPACITY}.")
    return int(text)
