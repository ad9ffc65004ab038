"""Whose ticket it becomes: the author of a message, or the member whom the staff choose."""

from bson import ObjectId
from pymongo.errors import PyMongoError

from bot.slack.client import member_lookup
from bot.slack.request import Request
from services.core.errors import DomainError
from services.linking.requesters import MessageClaim, MessageOwner
from services.models.message_source import MessageSource
from services.models.permissions import Permission

_OWN = MessageClaim(MessageOwner.ACTOR)


def claim_of(req: Request, source: MessageSource) -> MessageClaim:
    """Return who may make a ticket of the message."""
    if source.slack_user_id == req.slack_user_id:
        return _OWN
    return req.services.requesters.of_message(
        actor=req.actor,
        team_id=req.bot.team_id,
        author=source.slack_user_id,
        look_up=member_lookup(req.bot.client),
    )


def first_choice(req: Request, author: str | None = None) -> str | None:
    """Return the member whom the form names first as the requester, the caller if no author is
    given; None if the caller may not choose one, or the database is away."""
    try:
        actor = req.find_actor()
    except (DomainError, PyMongoError):
        return None
    if actor is None or not actor.has_permission(Permission.FILE_FOR_OTHERS):
        return None
    return author or req.slack_user_id


def chosen_requester(req: Request, slack_user_id: str) -> ObjectId:
    """Return the account of the chosen member, which is created if they have none."""
    if slack_user_id == req.slack_user_id:
        return req.actor.user_id
    user, is_new = req.services.requesters.of_member(
        actor=req.actor,
        team_id=req.bot.team_id,
        slack_user_id=slack_user_id,
        look_up=member_lookup(req.bot.client),
    )
    if is_new:
        req.ask_about_claim(user, slack_user_id=slack_user_id)
    return user.id


def names_another_requester(req: Request, source: MessageSource) -> bool:
    """Return whether a submitted form names as the requester someone who neither wrote the message
    nor files it, and so may not read its channel."""
    chosen = req.form.submitted("createdBy") if "createdBy" in req.form else None
    return bool(chosen) and chosen not in (source.slack_user_id, req.slack_user_id)


def submitted_requester(
    req: Request, source: MessageSource | None
) -> tuple[ObjectId, MessageSource | None]:
    """Return whose ticket a submitted form makes, and the message that it makes a ticket of: none
    if the caller may only link to that message."""
    member = str(req.form.submitted("createdBy") or "") if "createdBy" in req.form else ""
    if member:
        requester = chosen_requester(req, member)
        if req.actor.has_permission(Permission.FILE_FOR_OTHERS):
            return requester, source
    owner = claim_of(req, source).owner if source else MessageOwner.ACTOR
    if source and source.slack_user_id and owner is MessageOwner.AUTHOR_BY_STAFF:
        # A form of an earlier release, or of someone who was no moderator when it was opened.
        return chosen_requester(req, source.slack_user_id), source
    return req.actor.user_id, None if owner is MessageOwner.AUTHOR else source
