"""Modals about people: editing an account, the own profile, the search."""

from bot.views import ids
from bot.views.blocks import actions, button, context, section, text_section
from bot.views.inputs import View, modal, select, text_input, user_select
from bot.views.messages.handover_offer import open_ticket_count
from bot.views.text import Block, plain_text
from services.account_admin.account_admin import (
    ACTIVE,
    DEACTIVATED,
    MAX_CAPACITY,
    MAX_SKILLS_TEXT_LENGTH,
    PersonFields,
)
from services.accounts.account_search import MAX_SEARCH_LENGTH
from services.accounts.validation import MAX_NAME_LENGTH
from services.linking.staff_invitations import STAFF_ROLES
from services.models.user import Role, User

ROLE_LABELS = {Role.USER: "User", Role.MODERATOR: "Moderator", Role.ADMIN: "Admin"}
ACTIVE_LABELS = {ACTIVE: "Active", DEACTIVATED: "Deactivated"}
SKILLS_HINT = "Separated by commas, at most 20. Tickets are assigned by them."


def person_modal(user: User, *, open_tickets: int = 0) -> View:
    """Fields that are left alone are not changed."""
    initial = PersonFields.from_user(user)
    ticket_count = open_ticket_count(open_tickets) if open_tickets else "open tickets"
    return modal(
        callback_id=ids.EDIT_PERSON,
        title="Edit person",
        submit="Save",
        private_metadata=str(user.id),
        blocks=[
            section(plain_text(user.display_name, limit=200)),
            context(plain_text(user.email or "No email address", limit=300)),
            actions(button("Changes", ids.OPEN_CHANGES, str(user.id))),
            select(
                "role",
                "Role",
                {role.value: label for role, label in ROLE_LABELS.items()},
                placeholder="Choose: role",
                chosen=initial.role,
                hint="Moderators and admins work on tickets, admins also manage people. If you "
                "make someone a user, their open tickets go to someone else.",
            ),
            _skills(initial.skills),
            text_input(
                "capacity",
                "Capacity",
                max_length=3,
                initial=initial.capacity,
                hint="Once this many are open, no more are assigned automatically: 0 to "
                f"{MAX_CAPACITY}.",
            ),
            select(
                "active",
                "Account",
                ACTIVE_LABELS,
                placeholder="Choose: account",
                chosen=initial.active,
                hint="A deactivated person can no longer use this app; their "
                f"{ticket_count} {'goes' if open_tickets == 1 else 'go'} to someone else.",
            ),
        ],
    )


def moderator_added_modal(user: User) -> View:
    """Return who was added, and what happens next."""
    role = {Role.MODERATOR: "a moderator", Role.ADMIN: "an admin"}[user.role]
    sentence = f"{user.display_name} is {role} now, and gets a message that says what they can do."
    return modal(title="Added", blocks=[text_section(sentence)])


def add_moderator_modal() -> View:
    return modal(
        callback_id=ids.ADD_MODERATOR,
        title="Add moderator",
        submit="Add",
        blocks=[
            user_select("member", "Person", placeholder="Choose a person"),
            select(
                "role",
                "Role",
                {role.value: ROLE_LABELS[role] for role in STAFF_ROLES},
                placeholder="Choose: role",
                chosen=Role.MODERATOR.value,
                hint="Moderators work on tickets. Admins also manage people and settings.",
            ),
            _skills(""),
            context(plain_text("They get a message that says what they can do.")),
        ],
    )


def profile_modal(user: User, *, is_staff: bool) -> View:
    """Only people who work on tickets have skills."""
    return modal(
        callback_id=ids.EDIT_PROFILE,
        title="My profile",
        submit="Save",
        blocks=[
            text_input(
                "name",
                "Name",
                max_length=MAX_NAME_LENGTH,
                optional=True,
                initial=user.name or "",
                hint="Your colleagues see it on tickets.",
            ),
            *([_skills(PersonFields.from_user(user).skills)] if is_staff else []),
        ],
    )


def search_modal(text: str) -> View:
    return modal(
        callback_id=ids.SEARCH_PEOPLE,
        title="Search people",
        submit="Search",
        blocks=[
            text_input(
                "search",
                "Name or email address",
                max_length=MAX_SEARCH_LENGTH,
                optional=True,
                initial=text,
                hint="The beginning of each word is enough. Leave it empty to see everyone.",
            )
        ],
    )


def _skills(initial: str) -> Block:
    return text_input(
        "skills",
        "Skills",
        max_length=MAX_SKILLS_TEXT_LENGTH,
        multiline=True,
        optional=True,
        initial=initial,
        hint=SKILLS_HINT,
        placeholder="VPN, Active Directory, Printer",
    )
