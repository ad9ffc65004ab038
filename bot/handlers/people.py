"""People in Home, for admins: search and editing; and everyone's own profile."""

from dataclasses import fields

from slack_sdk.errors import SlackApiError

from bot.handlers import app_home
from bot.slack.client import UNKNOWN_MEMBER_ERRORS, fetch_member
from bot.slack.request import Request
from bot.views.messages import staff_welcome
from bot.views.modals import person, person_changes
from services.account_admin.account_admin import PersonFields
from services.accounts.account_search import AccountCursor, checked_search
from services.core.errors import InvalidValue
from services.home.sessions import Screen
from services.linking.staff_invitations import UNKNOWN_MEMBER
from services.models.permissions import Permission
from services.models.slack_member import SlackMember
from services.outbox.replies import ReplyKind


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


def open_changes(req: Request) -> None:
    """Show the audit log of a person above the form, which keeps what was typed."""
    changes = req.services.audit_trail.of_person(actor=req.actor, user_id=req.button_value)
    req.push_modal(person_changes.person_changes_modal(changes))


def save_person(req: Request) -> None:
    """Store the changes and release tickets if needed. Jobs continue a release that is
    interrupted."""
    form, people = req.form, req.services.account_admin
    names = [field.name for field in fields(PersonFields)]
    user = people.update(
        actor=req.actor,
        user_id=req.metadata,
        shown=PersonFields(**{name: form.initial(name) or "" for name in names}),
        wanted=PersonFields(**{name: req.field_value(name) for name in names}),
    )
    req.ack()
    for ticket_id in people.release_tickets(actor=req.actor, user_id=user.id):
        req.bot.publisher.publish_ticket(str(ticket_id))
    app_home.refresh_screen(req)


def open_moderator_form(req: Request) -> None:
    req.open_modal(person.add_moderator_modal())


def add_moderator(req: Request) -> None:
    """Give the chosen member the role, and tell them. The form may be submitted again until it is
    acknowledged: that changes nothing twice, and queues the message once."""
    member = _chosen_member(req)
    invitation = req.services.staff_invitations.invite(
        actor=req.actor,
        member=member,
        role=req.field_value("role"),
        skills=req.field_value("skills"),
    )
    reply_id = req.services.replies.queue(
        ReplyKind.WELCOME,
        event=invitation.key,
        recipient=member.slack_user_id,
        slack_user_id=member.slack_user_id,
        message=staff_welcome.welcome_message(invitation, app_name=req.services.app_name).as_args(),
    )
    req.ack(response_action="update", view=person.moderator_added_modal(invitation.user))
    req.bot.publisher.publish_reply(reply_id)
    app_home.refresh_screen(req)


def open_profile_form(req: Request) -> None:
    user = req.services.account_admin.get_own(actor=req.actor)
    is_staff = req.actor.has_permission(Permission.WORK_ON_TICKETS)
    req.open_modal(person.profile_modal(user, is_staff=is_staff))


def save_profile(req: Request) -> None:
    """Fields that are left alone are not changed."""
    req.services.account_admin.update_own(actor=req.actor, **req.form.changed())
    req.ack()
    app_home.refresh_screen(req)


def _chosen_member(req: Request) -> SlackMember:
    try:
        return fetch_member(
            req.bot.client, team_id=req.bot.team_id, slack_user_id=req.field_value("member")
        )
    except SlackApiError as error:
        if error.response.get("error") not in UNKNOWN_MEMBER_ERRORS:
            raise
        raise InvalidValue("member", UNKNOWN_MEMBER) from None
