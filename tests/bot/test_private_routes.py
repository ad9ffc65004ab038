"""Each route about a private ticket, used by all who have or had to do with it."""

import json
from typing import Any

import pytest

from bot.routes import ROUTES
from bot.views import ids
from services.core.database import Mongo
from services.models.slack_member import link_id
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.bot.test_routes import USES, carries_a_ticket, name
from tests.conftest import Bot, People, RecordingPublisher, file_ticket, reload
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

CANARY = "Zanzibar"
# What each is to the ticket, with their role, and whether they see it.
RELATIONS: dict[str, tuple[Role, bool]] = {
    "requester": (Role.USER, True),
    "participant": (Role.USER, True),
    "assignee": (Role.MODERATOR, True),
    "earlier assignee": (Role.MODERATOR, False),
    "filer": (Role.MODERATOR, False),
    "moderator": (Role.MODERATOR, False),
    "admin": (Role.ADMIN, True),
    "stranger": (Role.USER, False),
}
# Not what a press on an outdated button updates in messages.
CHANGED_BY_USERS = ("status", "assignedTo", "priority", "comments", "participants", "private")
CHANGED_BY_PARTICIPANTS = {"view write_comment", "action leave"}


def private_ticket(
    db: Mongo, tickets: TicketService, people: People, user: User, relation: str
) -> Ticket:
    """File the ticket as it is before each route."""
    requester = user if relation == "requester" else people.add()
    ticket = file_ticket(tickets, requester, f"{CANARY} title", f"{CANARY} description")
    assignee = people.add(Role.MODERATOR, "VPN")
    fields: dict[str, Any] = {
        "private": True,
        "status": "IN_PROGRESS",
        "assignedTo": user.id if relation == "assignee" else assignee.id,
        "participants": [user.id] if relation == "participant" else [],
        "relatedSkills": [f"{CANARY} skill"],
    }
    if relation == "filer":
        fields["filedBy"] = user.id
    if relation == "earlier assignee":
        event = {"seq": 2, "at": ticket.created_at, "by": user.id, "type": "accepted"}
        db.tickets.update_one({"_id": ticket.id}, {"$push": {"events": event}})
    db.tickets.update_one({"_id": ticket.id}, {"$set": fields})
    return reload(db, ticket)


@pytest.mark.parametrize("relation", RELATIONS)
def test_every_route_shows_it_to_those_who_may_see_it_only(
    ticket_bot: Bot,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    db: Mongo,
    relation: str,
) -> None:
    role, may_see = RELATIONS[relation]
    user = people.add(role, "VPN")
    shown_by: set[str] = set()
    changed_by: set[str] = set()
    filed = private_ticket(db, tickets, people, user, relation)
    stored = db.tickets.find_one({"_id": filed.id}) or {}
    # The routes about no ticket, such as lists, are the same for all who may not see it.
    used = ROUTES if relation == "moderator" else filter(carries_a_ticket, ROUTES)
    for route in used:
        is_completed = route.id in (ids.REOPEN, ids.REOPEN_TICKET)
        before = {**stored, "status": "COMPLETED"} if is_completed else stored
        db.tickets.replace_one({"_id": filed.id}, before)
        ticket = reload(db, filed)
        body = USES[name(route)](user, ticket)
        if body.get("type") == "block_actions" and body.get("view", {}).get("type") == "modal":
            slack.workspace.keep_view(body["view"]["id"], body["view"])
        slack.clear()
        if "response_url" in body:
            body["response_url"] = slack.response_url()
        answer = json.dumps(ticket_bot.answer(body))
        shown = answer + str([call.args for call in slack.calls])
        changed_by |= {name(route)} if is_changed(db, before) else set()
        # The user's own form or message may hold the words.
        if CANARY in shown and CANARY not in json.dumps(body):
            shown_by.add(name(route))
        if not may_see:
            assert CANARY not in shown or CANARY in json.dumps(body), name(route)
            assert db.tickets.find_one({"_id": ticket.id}) == before, name(route)
        db.links.update_many({"userId": user.id}, {"$unset": {"stopped": ""}})
        if not db.links.find_one({"userId": user.id}):
            relink(db, user)
    assert relation != "participant" or changed_by == CHANGED_BY_PARTICIPANTS
    if may_see:
        assert {"subcommand view", "action details", "action show_history"} <= shown_by
    else:
        assert shown_by == set()


def is_changed(db: Mongo, before: dict[str, Any]) -> bool:
    after = db.tickets.find_one({"_id": before["_id"]}) or {}
    return any(after.get(field) != before.get(field) for field in CHANGED_BY_USERS)


def relink(db: Mongo, user: User) -> None:
    """Restore what the routes about accounts have removed."""
    slack_id = People.slack_id(user)
    link = {"teamId": TEAM_ID, "slackUserId": slack_id, "userId": user.id}
    db.unlinked.delete_many({})
    db.links.insert_one({"_id": link_id(TEAM_ID, slack_id), **link})
