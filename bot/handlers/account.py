"""`/account`: shows the linked account, links another one, unlinks it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from slack_sdk.errors import SlackApiError, SlackClientError

from bot.handlers import app_home
from bot.slack.bot_process import BotProcess
from bot.slack.request import Request
from bot.views.inputs import notice_modal
from bot.views.messages import address_claim
from bot.views.modals import account
from bot.views.text import Message
from services.core.errors import Conflict, DomainError, MemberRefused, NotFound
from services.linking.account_linking import LINK_CHANGED, AccountLinkedElsewhere
from services.linking.links import ACCOUNT_UNLINKED, check_member
from services.models.user import User
from services.outbox.replies import ReplyKind

logger = logging.getLogger(__name__)

NOT_YOURS = "This form is not yours. Open a new one with /account."


def show_account(req: Request) -> None:
    """Show the account, or the form to link one. Needs no permission: every member begins here."""
    note = ""
    try:
        user = req.find_user()
    except MemberRefused as refusal:  # the account is deactivated; the member may link another
        user, note = None, str(refusal)
    if user:
        summary = account.account_summary(
            user,
            slack_user_id=req.slack_user_id,
            app_url=req.bot.config.app_url,
            claim=req.services.address_claims.find(user),
        )
        req.ack(response_type="ephemeral", text=summary.text, blocks=summary.blocks)
        return
    open_link_form(req, note=note)


def open_link_form(req: Request, *, note: str = "") -> None:
    """Open the form first, because a trigger_id expires after three seconds; then check the
    member."""
    can_link_by_email = req.services.account_linking.can_link_by_email(
        team_id=req.bot.team_id, slack_user_id=req.slack_user_id
    )
    req.open_modal(
        account.link_account_modal(
            app_url=req.bot.config.app_url, can_link_by_email=can_link_by_email, note=note
        )
    )
    if not req.is_acked:
        req.ack()
    try:
        check_member(req.fetch_member())
    except DomainError as refusal:
        req.update_modal(notice_modal(str(refusal)))


def ignore_link_press(_: Request) -> None:
    """Slack also sends a press on a link button; the browser opens the link."""


def submit_link_code(req: Request) -> None:
    """Ask for confirmation of the code; without a code, link the account of the Slack email
    address."""
    member = req.fetch_member()
    code = req.field_value("code") if "code" in req.form else ""  # no field without a page
    if not code:
        user = req.services.account_linking.link_by_email(member=member)
        req.ask_about_claim(user)
        req.ack(response_action="update", view=account.linked_modal(user))
        app_home.refresh_screen(req)
        return
    with _warn_code_owner(req):
        offer = req.services.account_linking.preview_code(member=member, code=code)
    view = account.confirm_link_modal(offer, slack_user_id=req.slack_user_id)
    req.ack(response_action="update", view=view)


def confirm_link(req: Request) -> None:
    name, owner_id = account.parse_confirm_metadata(req.metadata)
    if owner_id != req.slack_user_id:
        raise NotFound(NOT_YOURS)
    with _warn_code_owner(req):
        linked = req.services.account_linking.confirm_code(member=req.fetch_member(), code_id=name)
    req.ack(response_action="update", view=account.linked_modal(linked.user))
    for email_id in linked.email_ids:
        req.bot.publisher.publish_email(email_id)
    for ticket_id in linked.ticket_ids:
        req.bot.publisher.publish_ticket(str(ticket_id))
    if linked.is_merge:
        _update_question(req, linked.user, address_claim.merged_message(linked.user.email))
    app_home.refresh_screen(req)


def claim_account(req: Request) -> None:
    """Open the form for a code of the older account with the member's address."""
    claim = req.services.address_claims.get_other(actor=req.actor, user_id=req.button_value)
    open_link_form(req, note=address_claim.merge_note(claim))


def disown_account(req: Request) -> None:
    """Close the account that holds the member's address unconfirmed."""
    closed = req.services.address_claims.disown(
        actor=req.actor, member=req.fetch_member(), user_id=req.button_value
    )
    for email_id in closed.email_ids:
        req.bot.publisher.publish_email(email_id)
    for ticket_id in closed.ticket_ids:
        req.bot.publisher.publish_ticket(str(ticket_id))
    message = address_claim.disowned_message(closed.user.email)
    _update_question(req, closed.user, message)
    if (req.body.get("container") or {}).get("is_ephemeral"):  # below /account
        req.replace_message(message)


def open_unlink_form(req: Request) -> None:
    preview = req.services.account_linking.preview_unlink(actor=req.actor)
    if req.button_value != str(preview.user.id):  # pressed on an old message
        raise Conflict(LINK_CHANGED)
    req.open_modal(account.unlink_modal(preview))


def unlink_account(req: Request) -> None:
    actor = req.actor
    if req.metadata != str(actor.user_id):
        raise Conflict(LINK_CHANGED)
    unlinked = req.services.account_linking.unlink(
        actor=actor, team_id=req.bot.team_id, slack_user_id=req.slack_user_id
    )
    req.ack(response_action="update", view=account.unlinked_modal(unlinked.user))
    for email_id in unlinked.email_ids:
        req.bot.publisher.publish_email(email_id)
    app_home.show_refusal(req, ACCOUNT_UNLINKED)


def notify_unlinked(bot: BotProcess, *, slack_user_id: str, email: str) -> None:
    """Notify a Slack member that their account was unlinked on the page."""
    _notify_member(bot, slack_user_id, account.unlinked_message(email))


def _update_question(req: Request, claim: User, message: Message) -> None:
    """Replace the stored question about that account, sent already or not."""
    event = address_claim.claim_event(claim, slack_user_id=req.slack_user_id)
    reply_id = req.services.replies.revise(
        ReplyKind.ADDRESS_CLAIM, event=event, message=message.as_args(), is_needed_unsent=False
    )
    if reply_id:
        req.bot.publisher.publish_reply(reply_id)


@contextmanager
def _warn_code_owner(req: Request) -> Iterator[None]:
    """Warn the account's member if another member enters one of its codes."""
    try:
        yield
    except AccountLinkedElsewhere as conflict:
        message = account.code_used_warning(conflict.user.email, by=req.slack_user_id)
        _notify_member(req.bot, conflict.slack_user_id, message)
        raise


def _notify_member(bot: BotProcess, slack_user_id: str, message: Message) -> None:
    try:
        bot.client.chat_postMessage(
            channel=slack_user_id, unfurl_links=False, unfurl_media=False, **message.as_args()
        )
    except (SlackApiError, SlackClientError, OSError) as error:
        logger.warning("could not notify a member of their link: %s", type(error).__name__)
