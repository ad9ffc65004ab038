"""People in Home, for admins: search and editing; and everyone's own profile."""

from dataclasses import fields
from typing import Any

from bot.handlers import app_home
from bot.slack.request import Request
from bot.views.modals import person
from services.account_admin.account_admin import PersonFields
from services.accounts.account_search import AccountCursor, checked_search
from services.home.sessions import Screen
from services.models.permissions import Permission


def open_search_form(req: Request) -> None:
    cursor = Screen.decode(req.button_value).people or AccountCursor()
    req.open_modal(person.search_modal(cursor.search))


def search_people(req: Request) -> None:
    cursor = AccountCursor(search=checked_search(req.field_value("search")))
    req.ack()
    app_home.show_screen(req, Screen(people=cursor))


def open_person_form(req: Request) -> None:
    current = req.services.availability.get(actor=req.actor, user_id=req.button_value)
    req.open_modal(person.person_modal(current.user, open_tickets=current.open_ticket_count))


def save_person(req: Request) -> None:
    """Store the changes and release tickets if needed. Jobs continue a release that is
    interrupted."""
    view, people = req.body["view"], req.services.account_admin
    names = [field.name for field in fields(PersonFields)]
    user = people.update(
        actor=req.actor,
        user_id=view["private_metadata"],
        shown=PersonFields(**{name: _initial_value(view, name) for name in names}),
        wanted=PersonFields(**{name: req.field_value(name) for name in names}),
    )
    req.ack()
    for ticket_id in people.release_tickets(actor=req.actor, user_id=user.id):
        req.services.publisher.publish_ticket(str(ticket_id))
    app_home.refresh_screen(req)


def open_profile_form(req: Request) -> None:
    user = req.services.account_admin.get_own(actor=req.actor)
    is_staff = req.actor.has_permission(Permission.WORK_ON_TICKETS)
    req.open_modal(person.profile_modal(user, is_staff=is_staff))


def save_profile(req: Request) -> None:
    """Fields that are left alone are not changed."""
    view = req.body["view"]
    values = {
        name: req.field_value(name)
        for name in ("name", "skills")
        if name in view["state"]["values"] and req.field_value(name) != _initial_value(view, name)
    }
    req.services.account_admin.update_own(actor=req.actor, **values)
    req.ack()
    app_home.refresh_screen(req)


def _initial_value(view: dict[str, Any], name: str) -> str:
    """What the form began with in that field."""
    elements = [block["element"] for block in view["blocks"] if block.get("block_id") == name]
    element = elements[0] if elements else {}
    option = element.get("initial_option") or {}
    return str(element.get("initial_value") or option.get("value") or "")
