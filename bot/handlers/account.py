"""`/account`: which account one acts as, and the ways to another one or to none."""

import logging

from slack_sdk.errors import SlackApiError, SlackClientError

from bot.handlers import app_home
from bot.slack.members import fetch_member
from bot.slack.request import Request
from bot.slack.services import BotServices
from bot.views.modals import account, file_ticket, link_account
from bot.views.text import Message
from services.core.errors import Conflict, DomainError, MemberRefused, NotFound
from services.linking.link_by_code import AccountLinkedElsewhere
from services.linking.links import ACCOUNT_UNLINKED, check_member
from services.linking.unlink import LINK_CHANGED
from services.models.slack_member import SlackMember

logger = logging.getLogger(__name__)

NOT_YOURS = "This form is not yours. Open a new one with /account."


def show(req: Request) -> None:
    """The account; for whoever acts as none, the way to one. Open to all: it is how one begins."""
    desk, note = req.desk, ""
    try:
        user = desk.links.find_user(team_id=desk.team_id, slack_user_id=req.slack_user_id)
    except MemberRefused as refusal:  # deactivated; they may have another
        user, note = None, str(refusal)
    if user:
        shown = account.sheet(user, slack_user_id=req.slack_user_id, app_url=desk.app_url)
        req.ack(response_type="ephemeral", text=shown.text, blocks=shown.blocks)
        return
    _open_form(req, note=note)


def open_link(req: Request) -> None:
    _open_form(req)


def page_opened(_: Request) -> None:
    """Slack tells of a press on a link, too. The browser does the rest."""


def link(req: Request) -> None:
    """The code, which is asked about once more; without one, the account of their address."""
    member = _member(req)
    code = _typed(req)
    if not code:
        user = req.desk.linking.link_by_email(member=member)
        req.ack(response_action="update", view=link_account.linked(user))
        app_home.show_again(req)
        return
    try:
        offer = req.desk.linking.preview(member=member, code=code)
    except AccountLinkedElsewhere as held:
        _warn(req, held)
        raise
    view = link_account.confirm(offer, slack_user_id=req.slack_user_id)
    req.ack(response_action="update", view=view)


def confirm(req: Request) -> None:
    """The second press."""
    name, owner = link_account.read_confirm(req.body["view"].get("private_metadata") or "")
    if owner != req.slack_user_id:
        raise NotFound(NOT_YOURS)
    try:
        linked = req.desk.linking.confirm(member=_member(req), code_id=name)
    except AccountLinkedElsewhere as held:
        _warn(req, held)
        raise
    req.ack(response_action="update", view=link_account.linked(linked.user))
    for letter in linked.email_ids:
        req.desk.publisher.publish_email(letter)
    app_home.show_again(req)


def open_unlink(req: Request) -> None:
    leaving = req.desk.unlinking.preview(actor=req.actor)
    if req.pressed != str(leaving.user.id):  # pressed on an old answer
        raise Conflict(LINK_CHANGED)
    req.open(account.unlink(leaving))


def unlink(req: Request) -> None:
    desk, actor = req.desk, req.actor
    if req.body["view"].get("private_metadata") != str(actor.user_id):
        raise Conflict(LINK_CHANGED)
    done = desk.unlinking.unlink(actor=actor, team_id=desk.team_id, slack_user_id=req.slack_user_id)
    req.ack(response_action="update", view=account.unlinked(done.user))
    for letter in done.email_ids:
        desk.publisher.publish_email(letter)
    app_home.show_refusal(req, ACCOUNT_UNLINKED)


def tell_unlinked(desk: BotServices, *, slack_user_id: str, email: str) -> None:
    """For the page: its reader's Slack member hears of it where they were linked."""
    _tell(desk, slack_user_id, account.unlinked_elsewhere(email))


def _open_form(req: Request, *, note: str = "") -> None:
    """The form first, because its trigger lives three seconds; who asks is checked behind it."""
    desk = req.desk
    by_address = desk.linking.can_link_by_email(
        team_id=desk.team_id, slack_user_id=req.slack_user_id
    )
    req.open(link_account.link_form(app_url=desk.app_url, by_address=by_address, note=note))
    if not req.acked:
        req.ack()
    try:
        check_member(_member(req))
    except DomainError as refusal:
        req.update(file_ticket.notice(str(refusal)))


def _member(req: Request) -> SlackMember:
    desk = req.desk
    return fetch_member(desk.client, team_id=desk.team_id, slack_user_id=req.slack_user_id)


def _typed(req: Request) -> str:
    """Where there is no page for it, the form has no such field."""
    has_field = "code" in req.body["view"]["state"]["values"]
    return req.value("code").strip() if has_field else ""


def _warn(req: Request, held: AccountLinkedElsewhere) -> None:
    """Whoever has the account hears that somebody else knew a code of it."""
    message = account.typed_by_another(held.user.email, by=req.slack_user_id)
    _tell(req.desk, held.slack_user_id, message)


def _tell(desk: BotServices, slack_user_id: str, message: Message) -> None:
    try:
        desk.client.chat_postMessage(
            channel=slack_user_id, unfurl_links=False, unfurl_media=False, **message.as_args()
        )
    except (SlackApiError, SlackClientError, OSError) as error:
        logger.warning("a member was not told about their link: %s", type(error).__name__)
