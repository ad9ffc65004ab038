"""Filing a ticket: `/ticket` and its help, the shortcuts, and the submitted form."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from bson import ObjectId
from pymongo.errors import PyMongoError

from bot.handlers.requester import (
    claim_of,
    first_choice,
    names_another_requester,
    submitted_requester,
)
from bot.handlers.secret_warning import warn_of_secrets
from bot.slack import source_messages
from bot.slack.form_state import parse_timestamp
from bot.slack.request import Request
from bot.views.inputs import View, notice_modal
from bot.views.messages.help import HelpEntry, help_message, suggestion_message
from bot.views.modals import file_ticket as views
from bot.views.modals.private_choice import PrivateTicketChoice
from bot.views.text import DisplayPerson, Message, display_person
from services.core.errors import DomainError, InvalidValue, MemberRefused
from services.linking.requesters import MessageOwner
from services.models.comment import MessageRef
from services.models.message_source import MessageSource
from services.models.ticket import Ticket
from services.models.user import Role
from services.team_settings.private_tickets import cached_state
from services.tickets.filing import AlreadyFiled, SimilarTicketOpen
from services.tickets.validation import field_errors


def show_help(req: Request, entries: Sequence[HelpEntry]) -> None:
    """Help is shown even without an account, or if MongoDB is unreachable."""
    try:
        user = req.find_user()
    except (DomainError, PyMongoError):
        user = None
    _answer(req, help_message(entries, role=user.role if user else Role.USER))


def suggest_command(req: Request, usage: str) -> None:
    """Ask if the user meant that command, or the form with what was typed as its title."""
    _answer(req, suggestion_message(usage, typed=" ".join(req.arguments)))


def _answer(req: Request, message: Message) -> None:
    req.ack(response_type="ephemeral", text=message.text, blocks=message.blocks)


def open_form(req: Request) -> None:
    _open_form(req, title=" ".join(req.arguments))


def open_form_with_title(req: Request) -> None:
    """The button under `suggest_command`."""
    _open_form(req, title=req.button_value)


def _open_form(req: Request, *, title: str) -> None:
    """Open the form before checking the caller, because its trigger expires after three seconds."""
    req.open_modal(
        views.file_ticket_modal(
            is_ai_enabled=req.bot.config.is_ai_enabled,
            title=title,
            private_tickets=private_ticket_choice(req),
            requester=first_choice(req),
        )
    )
    if not req.is_acked:
        req.ack()
    try:
        _ = req.actor
    except DomainError as refusal:  # better now than after the form is filled in
        req.update_modal(notice_modal(str(refusal)))


def file_from_message(req: Request) -> None:
    """Open a modal first, because a trigger_id expires after three seconds; then fill it in."""
    req.open_modal(views.file_ticket_loading_modal())
    source = source_messages.source_from_shortcut(req.bot, req.body)
    fill_form(
        req,
        source,
        lambda: source_messages.quote_message(req.bot, source, lambda: req.body["message"]),
    )


def fill_form(
    req: Request, source: MessageSource, make_quote: Callable[[], views.MessageQuote]
) -> AlreadyFiled | None:
    """Replace the loading modal with the form, or with the ticket that the message already has,
    which is returned. A caller who may not make a ticket of the message gets a form with its link.
    """
    try:
        req.services.tickets.check_not_filed(
            actor=req.actor, team_id=req.bot.team_id, source=source
        )
    except AlreadyFiled as error:
        req.update_modal(already_filed_view(req, error))
        return error
    claim, metadata = claim_of(req, source), source_messages.encode_source(source)
    if claim.owner is MessageOwner.AUTHOR:
        quote = views.link_only_quote(source.permalink, note=views.OTHERS_MESSAGE)
        metadata = ""
    else:
        quote = make_quote()
    if claim.without_account:
        note = views.BECOMES_YOURS.format(reason=claim.without_account)
        quote = replace(quote, note=f"{note} {quote.note}")
    is_for_author = claim.owner is MessageOwner.AUTHOR_BY_STAFF
    form = views.file_ticket_modal(
        is_ai_enabled=req.bot.config.is_ai_enabled,
        private_tickets=private_ticket_choice(req),
        quote=quote,
        metadata=metadata,
        requester=first_choice(req, source.slack_user_id if is_for_author else None),
    )
    req.update_modal(form)
    return None


def already_filed_view(req: Request, error: AlreadyFiled, *, entered_text: str = "") -> View:
    assignee: DisplayPerson | None = None
    if error.ticket and (user_id := error.ticket.assigned_to):
        linked = req.services.links.slack_ids(team_id=req.bot.team_id, user_ids={user_id})
        assignee = DisplayPerson("someone who is not in Slack", linked.get(user_id))
    return views.already_filed_modal(
        str(error), ticket=error.ticket, assignee=assignee, entered_text=entered_text
    )


def file_ticket(req: Request) -> None:
    view = req.body["view"]
    if warn_of_secrets(req, "title", "description", find_errors=lambda: _field_errors(req)):
        return
    source = source_messages.decode_source(req.bot, req.metadata)
    requester, source = submitted_requester(req, source)
    is_private, channel = submitted_privacy(req), None
    if source:
        source, channel = source_messages.in_request_channel(req.bot, source, is_private=is_private)
        if names_another_requester(req, source):
            source = replace(source, is_conversation=False)
    try:
        filed = req.services.tickets.create(
            actor=req.actor,
            team_id=req.bot.team_id,
            request_id=view["id"],
            title=req.field_value("title"),
            description=req.field_value("description"),
            priority=req.field_value("priority") or None,
            deadline=_submitted_deadline(req),
            private=is_private or bool(channel and channel.is_private),
            not_to=submitted_not_to(req),
            requester=requester,
            source=source,
            reject_similar=not views.shows_similar_ticket(view),
        )
    except SimilarTicketOpen as error:
        question = views.similar_ticket_modal(
            req.form.filled_inputs(),
            error.ticket,
            title=req.field_value("title"),
            metadata=req.metadata,
            now=req.services.clock(),
        )
        req.ack(response_action="update", view=req.origin.attached_to(question))
        return
    except AlreadyFiled as error:  # a concurrent submission filed the same message
        entered_text = req.field_value("description")
        view = already_filed_view(req, error, entered_text=entered_text)
        req.ack(response_action="update", view=view)
        return
    _follow_later_changes(req, filed.ticket)
    view = views.filed_modal(filed.ticket, requester=_other_requester(req, filed.ticket))
    req.ack(response_action="update", view=view)
    req.bot.publisher.publish_ticket(str(filed.ticket.id))


def _other_requester(req: Request, ticket: Ticket) -> DisplayPerson | None:
    """Return the requester if that is not the caller."""
    if ticket.created_by in (None, req.actor.user_id):
        return None
    people = req.services.links.resolve_people(
        team_id=req.bot.team_id, user_ids={ticket.created_by}
    )
    return display_person(people, ticket.created_by)


def _field_errors(req: Request) -> dict[str, str]:
    try:
        deadline = _submitted_deadline(req)
    except InvalidValue as error:
        return error.errors
    title, description = req.field_value("title"), req.field_value("description")
    return field_errors(
        title=title, description=description, deadline=deadline, now=req.services.clock()
    )


def _submitted_deadline(req: Request) -> datetime | None:
    form = req.form  # one opened before an update of the bot may lack the field
    seconds = form.submitted("deadline") if "deadline" in form else None
    return None if seconds is None else parse_timestamp(seconds)


def submitted_privacy(req: Request) -> bool:
    return "private" in req.form and bool(req.form.submitted("private"))


def submitted_not_to(req: Request) -> ObjectId | None:
    """Return the account of the chosen member; one without an account gets no tickets anyway."""
    member = req.form.submitted("notTo") if "notTo" in req.form else None
    if not member:
        return None
    try:
        user = req.services.links.find_user(team_id=req.bot.team_id, slack_user_id=member)
    except MemberRefused:  # deactivated
        return None
    return user.id if user else None


def private_ticket_choice(req: Request) -> PrivateTicketChoice:
    """Without the database the form opens without the choice, because what is typed is not lost."""
    services = req.services
    try:
        return PrivateTicketChoice.of(cached_state(services.db), now=services.clock())
    except PyMongoError:
        return PrivateTicketChoice.OFF


def _follow_later_changes(req: Request, ticket: Ticket) -> None:
    """Follow the changes of a direct message that was changed while its form was open. Further
    lines of it no longer join."""
    source, previous = ticket.source, ticket.description
    if source is None or not source.is_direct_message:
        return
    texts, first = req.services.direct_messages, message_ref(source)
    texts.close(first, slack_user_id=req.slack_user_id)
    text = texts.get_replacement(first, slack_user_id=req.slack_user_id, previous=previous)
    if text is not None:
        change_ticket(req, source, previous=previous, text=text)


def change_ticket(
    req: Request, source: MessageSource, *, previous: str, text: str
) -> tuple[Ticket, bool] | None:
    """As `TicketService.follow_message`, with the texts of the message; "" if it was deleted."""
    before = views.direct_message_quote(previous)
    after = views.direct_message_quote(text) if text else views.DELETED_QUOTE
    return req.services.tickets.follow_message(
        team_id=req.bot.team_id,
        source=source,
        before=(before.title, before.description),
        after=(after.title, after.description),
    )


def message_ref(source: MessageSource) -> MessageRef:
    return MessageRef(source.channel, source.ts)
