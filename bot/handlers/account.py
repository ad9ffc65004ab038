"""`/account`: which account one acts as, and the ways to another one or to none."""

import logging

from slack_sdk.errors import SlackApiError, SlackClientError

from bot.handlers import app_home
from bot.slack.bot_process import BotProcess
from bot.slack.request import Request
from bot.views.modals import account, link_account, notice
from bot.views.text import Message
from services.core.errors import Conflict, DomainError, MemberRefused, NotFound
from services.linking.link_by_code import AccountLinkedElsewhere
from services.linking.links import ACCOUNT_UNLINKED, check_member
from services.linking.unlink import LINK_CHANGED

logger = logging.getLogger(__name__)

NOT_YOURS = "This form is not yours. Open a new one with /account."


def show_account(req: Request) -> None:
    """The account; for whoever acts as none, the way to one. Open to all: it is how one begins."""
    note = ""
    try:
        user = req.find_user()
    except MemberRefused as refusal:  # deactivated; they may have another
        user, note = None, str(refusal)
    if user:
        summary = account.account_summary(
            user, slack_user_id=req.slack_user_id, app_url=req.bot.config.app_url
        )
        req.ack(response_type="ephemeral", text=summary.text, blocks=summary.blocks)
        return
    _open_link_form(req, note=note)


def open_link_form(req: Request) -> None:
    _open_link_form(req)


def ignore_link_press(_: Request) -> None:
    """Slack tells of a press on a link, too. The browser does the rest."""


def submit_link_code(req: Request) -> None:
    """The code, which is asked about once more; without one, the account of their address."""
    member = req.fetch_member()
    code = req.field_value("code") if "code" in req.form else ""  # no field without a page
    if not code:
        user = req.services.link_by_code.link_by_email(member=member)
        req.ack(response_action="update", view=link_account.linked_modal(user))
        app_home.refresh_screen(req)
        return
    try:
        offer = req.services.link_by_code.preview(member=member, code=code)
    except AccountLinkedElsewhere as conflict:
        _warn_code_owner(req, conflict)
        raise
    view = link_account.confirm_link_modal(offer, slack_user_id=req.slack_user_id)
    req.ack(response_action="update", view=view)


def confirm_link(req: Request) -> None:
    """The second press."""
    name, owner_id = link_account.parse_confirm_metadata(
        req.body["view"].get("private_metadata") or ""
    )
    if owner_id != req.slack_user_id:
        raise NotFound(NOT_YOURS)
    try:
        linked = req.services.link_by_code.confirm(member=req.fetch_member(), code_id=name)
    except AccountLinkedElsewhere as conflict:
        _warn_code_owner(req, conflict)
        raise
    req.ack(response_action="update", view=link_account.linked_modal(linked.user))
    for email_id in linked.email_ids:
        req.bot.publisher.publish_email(email_id)
    app_home.refresh_screen(req)


def open_unlink_form(req: Request) -> None:
    preview = req.services.unlink_service.preview(actor=req.actor)
    if req.button_value != str(preview.user.id):  # pressed on an old answer
        raise Conflict(LINK_CHANGED)
    req.open_modal(account.unlink_modal(preview))


def unlink_account(req: Request) -> None:
    actor = req.actor
    if req.body["view"].get("private_metadata") != str(actor.user_id):
        raise Conflict(LINK_CHANGED)
    unlinked = req.services.unlink_service.unlink(
        actor=actor, team_id=req.bot.team_id, slack_user_id=req.slack_user_id
    )
    req.ack(response_action="update", view=account.unlinked_modal(unlinked.user))
    for email_id in unlinked.email_ids:
        req.bot.publisher.publish_email(email_id)
    app_home.show_refusal(req, ACCOUNT_UNLINKED)


def notify_unlinked(bot: BotProcess, *, slack_user_id: str, email: str) -> None:
    """For the page: its reader's Slack member hears of it where they were linked."""
    _notify_member(bot, slack_user_id, account.unlinked_message(email))


def _open_link_form(req: Request, *, note: str = "") -> None:
    """The form first, because its trigger lives three seconds; who asks is checked behind it."""
    can_link_by_email = req.services.link_by_code.can_link_by_email(
        team_id=req.bot.team_id, slack_user_id=req.slack_user_id
    )
    req.open_modal(
        link_account.link_account_modal(
            app_url=req.bot.config.app_url, can_link_by_email=can_link_by_email, note=note
        )
    )
    if not req.is_acked:
        req.ack()
    try:
        check_member(req.fetch_member())
    except DomainError as refusal:
        req.update_modal(notice.notice_modal(str(refusal)))


def _warn_code_owner(req: Request, conflict: AccountLinkedElsewhere) -> None:
    """Whoever has the account hears that somebody else knew a code of it."""
    message = account.code_used_warning(conflict.user.email, by=req.slack_user_id)
    _notify_member(req.bot, conflict.slack_user_id, message)


def _notify_member(bot: BotProcess, slack_user_id: str, message: Message) -> None:
    try:
        bot.client.chat_postMessage(
            channel=slack_user_id, unfurl_links=False, unfurl_media=False, **message.as_args()
        )
    except (SlackApiError, SlackClientError, OSError) as error:
        logger.warning("a member was not told about their link: %s", type(error).__name__)
