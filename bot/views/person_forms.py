"""The modals about people: an account as an admin keeps it, one's own profile, the search."""

from datetime import datetime
from zoneinfo import ZoneInfo

from bot.views import ids
from bot.views.blocks import context
from bot.views.inputs import View, field_block, modal, option, select, text_input
from bot.views.text import Block, plain
from services.models import Role, User
from services.people import ACTIVE, CAPACITY_MAX, DEACTIVATED, SKILLS_TEXT_MAX, PersonFields
from services.roll import SEARCH_MAX

ROLES = {Role.USER: "User", Role.MODERATOR: "Moderator", Role.ADMIN: "Admin"}
STATES = {ACTIVE: "Active", DEACTIVATED: "Deactivated"}
SKILLS_HINT = "With commas between, at most 20. Tickets that need one of them fit best."


def person(user: User) -> View:
    """An account; what was not touched in it is not changed."""
    shown = PersonFields.of(user)
    return modal(
        callback_id=ids.EDIT_PERSON,
        title="Edit person",
        submit="Save",
        close="Cancel",
        private_metadata=str(user.id),
        blocks=[
            {"type": "section", "text": plain(user.display_name, limit=200)},
            context(plain(user.email or "No email address", limit=300)),
            _choice(
                "role",
                "Role",
                {role.value: label for role, label in ROLES.items()},
                shown.role,
                hint="Moderators and admins work on tickets, admins also manage people. The open "
                "tickets of somebody who becomes a user go to somebody else.",
            ),
            _skills(shown.skills),
            text_input(
                "capacity",
                "Capacity",
                limit=3,
                initial=shown.capacity,
                hint=f"So many open tickets are enough, 0 to {CAPACITY_MAX}. Nobody gets more by "
                "themselves.",
            ),
            _choice(
                "active",
                "Account",
                STATES,
                shown.active,
                hint="Who is deactivated can no longer use the help desk; their open tickets go "
                "to somebody else.",
            ),
        ],
    )


def profile(user: User, *, is_staff: bool, now: datetime) -> View:
    """One's own. Skills are for those who work on tickets."""
    return modal(
        callback_id=ids.EDIT_PROFILE,
        title="My profile",
        submit="Save",
        close="Cancel",
        blocks=[
            *([_skills(PersonFields.of(user).skills)] if is_staff else []),
            _away(user, is_staff=is_staff, now=now),
        ],
    )


def search(text: str) -> View:
    return modal(
        callback_id=ids.SEARCH_PEOPLE,
        title="Search people",
        submit="Search",
        close="Cancel",
        blocks=[
            text_input(
                "search",
                "Name or email address",
                limit=SEARCH_MAX,
                optional=True,
                initial=text,
                hint="The beginning of each word is enough. Leave it empty to see everybody.",
            )
        ],
    )


def _skills(initial: str) -> Block:
    return text_input(
        "skills",
        "Skills",
        limit=SKILLS_TEXT_MAX,
        multiline=True,
        optional=True,
        initial=initial,
        hint=SKILLS_HINT,
        example="VPN, Active Directory, Printer",
    )


def _choice(field: str, label: str, options: dict[str, str], chosen: str, *, hint: str) -> Block:
    listed = {value: option(text, value) for value, text in options.items()}
    return select(
        field,
        label,
        list(listed.values()),
        placeholder=f"Choose: {label.lower()}",
        initial=listed[chosen],
        hint=hint,
    )


def _away(user: User, *, is_staff: bool, now: datetime) -> Block:
    element: Block = {
        "type": "datepicker",
        "action_id": "awayUntil",
        "placeholder": plain("I am here"),
    }
    if user.away_until and user.away_until > now:
        element["initial_date"] = local_day(user.away_until, user)
    hint = "The day you are back. Clear it as soon as you are here."
    if is_staff:
        hint += " Until then no new tickets come to you by themselves."
    return field_block("Away until", element, optional=True, hint=hint)


def local_day(at: datetime, user: User) -> str:
    """The date in that person's time zone, as Slack's pickers write it."""
    return at.astimezone(ZoneInfo(user.timezone or "UTC")).date().isoformat()
