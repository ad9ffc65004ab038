"""People: admins search them in Home and edit one in a modal; everybody has a profile."""

from dataclasses import fields
from typing import Any

from bot.handlers import app_home
from bot.slack.request import Request
from bot.views.modals import person
from services.accounts.account_search import AccountCursor, checked_search
from services.home.sessions import Screen
from services.models.permissions import Permission
from services.people.account_admin import PersonFields


def open_search(req: Request) -> None:
    place = Screen.decode(req.pressed).people or AccountCursor()
    req.open(person.search(place.search))


def search(req: Request) -> None:
    place = AccountCursor(search=checked_search(req.value("search")))
    req.ack()
    app_home.show(req, Screen(people=place))


def open_person(req: Request) -> None:
    held = req.desk.availability.get(actor=req.actor, user_id=req.pressed)
    req.open(person.person(held.user, open_tickets=held.open_ticket_count))


def edit_person(req: Request) -> None:
    """Stored, and what follows from it begun; jobs go on with that."""
    view, people = req.body["view"], req.desk.people
    names = [field.name for field in fields(PersonFields)]
    user = people.update(
        actor=req.actor,
        user_id=view["private_metadata"],
        shown=PersonFields(**{name: _shown(view, name) for name in names}),
        wanted=PersonFields(**{name: req.value(name) for name in names}),
    )
    req.ack()
    for ticket_id in people.release_tickets(actor=req.actor, user_id=user.id):
        req.desk.publisher.publish_ticket(str(ticket_id))
    app_home.show_again(req)


def open_profile(req: Request) -> None:
    user = req.desk.people.get_own(actor=req.actor)
    is_staff = req.actor.has_permission(Permission.WORK_ON_TICKETS)
    req.open(person.profile(user, is_staff=is_staff))


def edit_profile(req: Request) -> None:
    """What was not touched stays."""
    view = req.body["view"]
    values = {
        name: req.value(name)
        for name in ("name", "skills")
        if name in view["state"]["values"] and req.value(name) != _shown(view, name)
    }
    req.desk.people.update_own(actor=req.actor, **values)
    req.ack()
    app_home.show_again(req)


def _shown(view: dict[str, Any], name: str) -> str:
    """What the form began with in that field."""
    elements = [block["element"] for block in view["blocks"] if block.get("block_id") == name]
    element = elements[0] if elements else {}
    option = element.get("initial_option") or {}
    return str(element.get("initial_value") or option.get("value") or "")
