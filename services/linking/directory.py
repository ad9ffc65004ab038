"""Accounts and Slack ids of the people in a ticket."""

from collections.abc import Mapping
from dataclasses import dataclass

from bson import ObjectId

from services.accounts.users import UserService
from services.linking.links import LinkService
from services.models.events import EventType
from services.models.ticket import Ticket
from services.models.user import User


@dataclass(frozen=True, slots=True)
class Directory:
    """Accounts and their Slack ids; members who have left Slack have no id."""

    users: Mapping[ObjectId, User]
    slack_ids: Mapping[ObjectId, str]


def resolve_people(
    users: UserService, links: LinkService, *, team_id: str, user_ids: set[ObjectId]
) -> Directory:
    """Look up all users in two queries."""
    return Directory(
        users=users.get_many(user_ids),
        slack_ids=links.slack_ids(team_id=team_id, user_ids=user_ids),
    )


def referenced_user_ids(ticket: Ticket) -> set[ObjectId]:
    """Return all accounts in a ticket and its history."""
    named = [ticket.created_by, ticket.assigned_to]
    named += [comment.by for comment in ticket.comments]
    for event in ticket.events:
        named += [event.by if isinstance(event.by, ObjectId) else None]
        named += [event.to if event.type == EventType.ASSIGNED else None]
    return {user_id for user_id in named if isinstance(user_id, ObjectId)}
