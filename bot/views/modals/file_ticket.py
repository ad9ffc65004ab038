"""The form to file a ticket, the modals that replace it, and the offer to file a message."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.views import ids, labels
from bot.views.blocks import (
    actions,
    button,
    context,
    fields_section,
    header,
    mrkdwn_section,
    status_line,
    text_section,
    ticket_header,
    ticket_title,
)
from bot.views.cards.action_buttons import action_button
from bot.views.cards.ticket_cards import ticket_reference
from bot.views.due_text import time_ago
from bot.views.inputs import (
    View,
    datetime_picker,
    input_block,
    modal,
    select,
    text_input,
    user_select,
)
from bot.views.modals.private_choice import PrivateTicketChoice, private_choice
from bot.views.text import (
    Block,
    DisplayPerson,
    Message,
    escape,
    masked,
    mrkdwn,
    plain_text,
    truncate_utf16,
    utf16_length,
)
from services.core.text import strip_invisible, truncate
from services.models.conversation import conversation_of
from services.models.ticket import Priority, Status, Ticket
from services.tickets.validation import (
    MAX_DESCRIPTION_LENGTH,
    MAX_TITLE_LENGTH,
    MIN_TITLE_LENGTH,
)

NOT_PUBLIC = (
    "Only a link to the message is filled in, because the message is not in a public channel of "
    "this workspace. Say in your own words what is needed."
)
WITHOUT_TEXT = (
    "Only a link to the message is filled in, because the message has no text. Say in your own "
    "words what is needed."
)
TEXT_UNAVAILABLE = (
    "Only a link to the message is filled in, because Slack did not give its text. Say in your own "
    "words what is needed."
)
# The channel, or the text, cannot be read for want of a scope.
NOT_PERMITTED = (
    "Only a link to the message is filled in, because this app may not read messages in channels; "
    "an admin can change that in Slack. Say in your own words what is needed."
)
TOO_OLD = "Your message is too old to be filled in. Say again what is needed, or copy it here."
FILLED_IN = "Filled in from the message. Change whatever you like before you file it."
IN_THREAD = "The thread of the message says who has it. Write there what you want to add."
NO_SECRETS = "No passwords or keys here, please."
PRIORITY_HINT = (
    "Leave it empty if you are not sure; it is set for you. Urgent is for what stops several "
    "people or endangers security."
)
PRIVATE_HINT = (
    "Only you, the person who works on it, people you add to it and admins can see it. Until "
    "someone has it, the people chosen for private tickets can see it, too."
)
PRIVATE_HINT_FOR_STAFF = (
    "Only the requester, the person who works on it, people added to it and admins can see it. "
    "Until someone has it, the people chosen for private tickets can see it, too."
)
REQUESTER_HINT = "Whose ticket it is. This person gets its messages."
OTHERS_MESSAGE = (
    "Only a link to the message is filled in, because only its author and moderators can make a "
    "ticket of it. Say in your own words what you need."
)
BECOMES_YOURS = "{reason} The ticket becomes yours."
NOT_TO_HINT = "This person does not get the ticket."
AI_DISCLOSURE = (
    "An AI service (Google Gemini) reads the title and this text to find the right person."
)
NO_TICKET_THREAD = "This thread is not about one ticket, so no one else reads your message."
WITHDRAWN = "You deleted this message, so there is nothing to file."
FILE_ANYWAY_LABEL = "File it anyway"
SAME_PROBLEM = (
    "If it is the same problem, press {comment}: you can change what you typed before you send it. "
    f"If not, press {FILE_ANYWAY_LABEL}: what you typed is below."
)
_SIMILAR_TICKET_BLOCK = "similar_ticket"  # by which the submission is recognised
MAX_SNIPPET_LENGTH = 200
FILE_QUESTION = "Shall I file this as a ticket? You can change everything before it is filed."
FILE_BUTTON_LABEL = "File this as a ticket"
NEW_TICKET_LABEL = "New ticket"


@dataclass(frozen=True, slots=True)
class MessageQuote:
    """Initial values of the form. `note` says what was filled in, and why no more."""

    title: str
    description: str
    note: str


# A first line of fewer is a greeting, say.
MIN_TITLE_WORDS = 3
NOT_READ = "It is in no public channel of this workspace, so I have not read it."
NOT_READABLE = "I can't read it."
NOTHING_TO_READ = "It has no text."
CONTINUED = "The rest is in the message: {permalink}"
# What a ticket of a thread leaves out.
NOT_INCLUDED = {
    1: "1 message by someone else is not included.",
    2: "{number} messages by others are not included.",
}
EARLIER_NOT_INCLUDED = {
    1: "1 earlier message is not included.",
    2: "{number} earlier messages are not included.",
}
# Replaces the words of a message that its author deleted.
DELETED_QUOTE = MessageQuote(
    title="A deleted message",
    description="The requester deleted the message that this ticket was filed from.",
    note="",
)


def link_only_quote(permalink: str, *, note: str) -> MessageQuote:
    return MessageQuote(title="", description=permalink, note=note)


def full_quote(text: str, *, author: str, channel: str, permalink: str) -> MessageQuote:
    """Quote the message with its author, channel and link. The text is cut if it is too long."""
    text = strip_invisible(text).strip()
    if not text:
        return link_only_quote(permalink, note=WITHOUT_TEXT)
    start = f"From a message of {_single_line(author)} in #{_single_line(channel)}:\n\n"
    end = f"\n\n{permalink}"
    available_length = MAX_DESCRIPTION_LENGTH - utf16_length(start) - utf16_length(end)
    return MessageQuote(
        title=_single_line(text.splitlines()[0], MAX_TITLE_LENGTH),
        description=f"{start}{truncate_utf16(text, available_length)}{end}",
        note=FILLED_IN,
    )


def direct_message_quote(text: str | None) -> MessageQuote:
    """Quote a message to the bot. `text` is None if it is no longer stored."""
    if text is None:
        return MessageQuote(title="", description="", note=TOO_OLD)
    text = strip_invisible(text).strip()
    return MessageQuote(
        title=_single_line(text.partition("\n")[0], MAX_TITLE_LENGTH),
        description=truncate_utf16(text, MAX_DESCRIPTION_LENGTH),
        note=FILLED_IN,
    )


def channel_message_quote(text: str, *, permalink: str, note: str = "") -> MessageQuote:
    """Quote a message that is filed without a form: the title is its first line of a few words, and
    a link replaces what is too long. The description ends in the `note`."""
    text = strip_invisible(text).strip()
    lines = [line for line in text.splitlines() if line.strip()] or [""]
    first = next((line for line in lines if len(line.split()) >= MIN_TITLE_WORDS), lines[0])
    title = _single_line(first, MAX_TITLE_LENGTH)
    return MessageQuote(
        title=title if len(title) >= MIN_TITLE_LENGTH else f"Message: {title}",
        description=with_link_to_rest(
            text, limit=MAX_DESCRIPTION_LENGTH, permalink=permalink, note=note
        ),
        note=FILLED_IN,
    )


def with_link_to_rest(text: str, *, limit: int, permalink: str, note: str = "") -> str:
    """Return the text with the `note` at its end. If it is too long, a link takes the place of the
    rest."""
    end = f"\n\n{note}" if note else ""
    if utf16_length(text) + utf16_length(end) > limit:
        end = f"\n\n{CONTINUED.format(permalink=permalink)}{end}"
        text = truncate_utf16(text, limit - utf16_length(end))
    return f"{text}{end}"


def not_included_note(*, others: int, earlier: int, permalink: str) -> str:
    """Say what a ticket of a thread leaves out: messages of people who get no account, and those
    before the last ones. "" if it leaves out nothing."""
    counted = ((others, NOT_INCLUDED), (earlier, EARLIER_NOT_INCLUDED))
    said = [texts[min(number, 2)].format(number=number) for number, texts in counted if number]
    return " ".join([*said, f"The whole thread: {permalink}"]) if said else ""


def _single_line(text: str, limit: int = 80) -> str:
    """Return one line, by default within Slack's limit for names."""
    return truncate_utf16(" ".join(strip_invisible(text).split()), limit)


def file_ticket_modal(
    *,
    is_ai_enabled: bool,
    title: str = "",
    quote: MessageQuote | None = None,
    metadata: str = "",
    private_tickets: PrivateTicketChoice = PrivateTicketChoice.OFF,
    requester: str | None = None,
) -> View:
    """Return the form for a new ticket, with a `title` or the `quote` of a message filled in.

    `metadata` holds that message's ids, for the submission. `private_tickets` says if the ticket
    can be private. `requester` is the member whose ticket it is at first; None if the reader may
    not choose one.
    """
    hint = f"{NO_SECRETS} {AI_DISCLOSURE}" if is_ai_enabled else NO_SECRETS
    return modal(
        callback_id=ids.FILE_TICKET,
        title="File a ticket",
        submit="File",
        private_metadata=metadata,
        blocks=[
            *([context(plain_text(quote.note))] if quote else []),
            text_input(
                "title",
                "Title",
                max_length=MAX_TITLE_LENGTH,
                initial=quote.title if quote else title,
                placeholder="VPN drops every hour",
            ),
            text_input(
                "description",
                "Description",
                max_length=MAX_DESCRIPTION_LENGTH,
                multiline=True,
                initial=quote.description if quote else "",
                hint=hint,
                placeholder="What happens, since when, and what you have tried",
            ),
            *([_requester(requester)] if requester else []),
            _priority(),
            _deadline(),
            *private_choice(private_tickets, PRIVATE_HINT_FOR_STAFF if requester else PRIVATE_HINT),
            user_select(
                "notTo",
                "Don't assign to",
                placeholder="Choose someone",
                optional=True,
                hint=NOT_TO_HINT,
            ),
        ],
    )


def _requester(slack_user_id: str) -> Block:
    return user_select(
        "createdBy",
        "Requester",
        placeholder="Choose someone",
        chosen=slack_user_id,
        hint=REQUESTER_HINT,
    )


def similar_ticket_modal(
    inputs: Sequence[Block], ticket: Ticket, *, title: str, metadata: str, now: datetime
) -> View:
    """Return the submitted form below the reader's own open ticket that it looks like.

    `inputs` are filled in as submitted, `title` is what was typed.
    """
    name = f"ticket {ticket.number}"
    comment = f"Comment on {name}"
    status = f"*{labels.status(ticket, is_for_requester=True)}*"
    filed = f"filed {time_ago(ticket.created_at, now=now)}" if ticket.created_at else ""
    titles = fields_section(
        {f"Your {name}": escape(masked(ticket.title)), "This one": escape(masked(title))}
    )
    return modal(
        callback_id=ids.FILE_TICKET,
        title="File a ticket",
        submit=FILE_ANYWAY_LABEL,
        private_metadata=metadata,
        blocks=[
            header(f"Looks like your {name}"),
            {**titles, "block_id": _SIMILAR_TICKET_BLOCK},
            context(mrkdwn(" · ".join(filter(None, (status, filed))))),
            text_section(SAME_PROBLEM.format(comment=comment)),
            actions(button(comment, ids.COMMENT_INSTEAD, str(ticket.id))),
            {"type": "divider"},
            *inputs,
        ],
    )


def shows_similar_ticket(view: View) -> bool:
    """Return whether the submitted form is `similar_ticket_modal`."""
    return any(block.get("block_id") == _SIMILAR_TICKET_BLOCK for block in view["blocks"])


def filed_modal(ticket: Ticket, *, requester: DisplayPerson | None = None) -> View:
    """Return what replaces the form once the ticket is stored. `requester` is whose ticket it is,
    if it is not the reader's."""
    messages = (
        f"{requester.mention} gets its messages, and sees that you filed it."
        if requester
        else "You'll get a message when someone has it."
    )
    if conversation_of(ticket):
        messages = IN_THREAD
    return modal(
        title="Ticket filed",
        blocks=[
            header(f"{labels.ticket_name(ticket)} is filed"),
            ticket_title(ticket),
            mrkdwn_section(messages) if requester else text_section(messages),
        ],
    )


def file_ticket_loading_modal() -> View:
    """Return what is opened first, because a trigger_id expires after three seconds."""
    return modal(
        title="File a ticket",
        blocks=[text_section("One moment…")],
    )


def already_filed_modal(
    sentence: str, *, ticket: Ticket | None, assignee: DisplayPerson | None, entered_text: str = ""
) -> View:
    """Return what replaces the form if the message has a ticket already: the `sentence`, the
    ticket's state (if the reader may see it), and the entered text, so that it is not lost."""
    blocks: list[Block] = [text_section(sentence)]
    if ticket:
        blocks += [ticket_header(ticket), status_line(ticket, assignee=assignee)]
    if entered_text:
        blocks += [
            context(plain_text("What you typed was not filed. Copy it if it says something new:")),
            text_section(entered_text),
        ]
    return modal(title="Already a ticket", blocks=blocks)


def _priority() -> Block:
    return select(
        "priority",
        "Priority",
        {one.value: labels.PRIORITY[one] for one in Priority},
        placeholder="Choose a priority",
        optional=True,
        hint=PRIORITY_HINT,
    )


def _deadline() -> Block:
    """The picker uses the time zone of its reader."""
    return input_block(
        "Deadline",
        datetime_picker("deadline"),
        optional=True,
        hint="Set one only if the work must be done by then.",
    )


def direct_message_offer(
    text: str, *, value: str, is_in_thread: bool = False, tickets: Sequence[Ticket] = ()
) -> Message:
    """For a message to the bot; the snippet distinguishes several offers.

    `tickets` are at most two that it may be about; if one waits for the author, it is the first.
    """
    snippet = _snippet(text)
    waiting = [ticket for ticket in tickets[:1] if ticket.status is Status.WAITING]
    others = tickets[len(waiting) :][:1]
    question, section = FILE_QUESTION, text_section(FILE_QUESTION)
    buttons = [_ticket_button("Add to", ids.ADD_TO_TICKET, ticket, value) for ticket in others]
    if waiting:
        question = f"{ticket_reference(waiting[0])} waits for your answer. Is this it?"
        section = mrkdwn_section(question)
        answer = _ticket_button("Answer", ids.ANSWER_TICKET, waiting[0], value, primary=True)
        buttons = [answer, *buttons, button(NEW_TICKET_LABEL, ids.FILE_DIRECT_MESSAGE, value)]
    else:
        file = button(FILE_BUTTON_LABEL, ids.FILE_DIRECT_MESSAGE, value, primary=True)
        buttons = [file, *buttons]
    blocks: list[Block] = [
        text_section(f"“{snippet}”"),
        *([context(plain_text(NO_TICKET_THREAD))] if is_in_thread else []),
        section,
        *(context(mrkdwn(f"Or is it about {ticket_reference(ticket)}?")) for ticket in others),
        actions(*buttons),
    ]
    return Message(text=f"{question} “{escape(snippet)}”", blocks=blocks)


def added_message(ticket: Ticket, text: str) -> Message:
    """What replaces the offer for a message that was added to a ticket."""
    name = f"ticket {ticket.number}" if ticket.number else "your ticket"
    sentence = f"Added to {name}: “{escape(_snippet(text))}”"
    return Message(
        text=sentence,
        blocks=[mrkdwn_section(sentence), actions(action_button(ticket, ids.DETAILS))],
    )


def parse_ticket_choice(value: str) -> tuple[str, str]:
    """Return the id of the chosen ticket, and the value of the offer."""
    ticket_id, _, offer_value = value.partition(":")
    return ticket_id, offer_value


def _ticket_button(
    verb: str, action_id: str, ticket: Ticket, value: str, *, primary: bool = False
) -> Block:
    label = f"{verb} ticket {ticket.number}"
    return button(label, action_id, f"{ticket.id}:{value}", primary=primary)


def _snippet(text: str) -> str:
    return truncate(" ".join(masked(strip_invisible(text)).split()), MAX_SNIPPET_LENGTH)


def withdrawn_offer() -> Message:
    """What replaces the offer for a message that was deleted."""
    return Message(text=WITHDRAWN, blocks=[text_section(WITHDRAWN)])


def filed_offer(number: int | None) -> Message:
    """What replaces the offers for a message once it is filed."""
    text = f"Filed as ticket {number}."
    return Message(text=text, blocks=[text_section(text)])


def reaction_offer(permalink: str, *, emoji: str, value: str, without_account: str = "") -> Message:
    """For a member who added the emoji to a message. `without_account` says why its author gets no
    ticket."""
    question = (
        f"{escape(without_account)} Shall I file it as your ticket?"
        if without_account
        else "Shall I file it as a ticket?"
    )
    text = (
        f"You marked <{escape(permalink)}|a message> with :{emoji}:. {question} "
        "You can change everything before it is filed."
    )
    blocks: list[Block] = [
        mrkdwn_section(text),
        actions(button(FILE_BUTTON_LABEL, ids.FILE_REACTED_MESSAGE, value, primary=True)),
    ]
    return Message(text="You marked a message. Shall I file it as a ticket?", blocks=blocks)


def short_message_offer(permalink: str, *, value: str) -> Message:
    """For the author of a message in a request channel that has few words."""
    question = "Shall I file your message as a ticket?"
    text = (
        f"<{escape(permalink)}|Your message> is short, so it is not filed yet. Shall I file it as "
        "a ticket? You can change everything before it is filed."
    )
    blocks: list[Block] = [
        mrkdwn_section(text),
        actions(button(FILE_BUTTON_LABEL, ids.FILE_REACTED_MESSAGE, value, primary=True)),
    ]
    return Message(text=question, blocks=blocks)


def requested_offer(permalink: str, *, value: str, reason: str, is_own: bool = False) -> Message:
    """For a member whose mention or emoji files no message: the `reason`, a sentence, and whether
    to file it with the form. `is_own`: it would be their ticket."""
    question = "Shall I file it as your ticket?" if is_own else "Shall I file it as a ticket?"
    text = (
        f"You asked me to file <{escape(permalink)}|a message>. {escape(masked(reason))} "
        f"{question} You can change everything before it is filed."
    )
    blocks: list[Block] = [
        mrkdwn_section(text),
        actions(button(FILE_BUTTON_LABEL, ids.FILE_REACTED_MESSAGE, value, primary=True)),
    ]
    return Message(text=f"You asked me to file a message. {question}", blocks=blocks)


def author_offer(permalink: str, *, emoji: str = "", value: str) -> Message:
    """For the author of a message to which a colleague added the emoji, or below which they
    mentioned the bot."""
    message = f"<{escape(permalink)}|your message>"
    what = f"marked {message} with :{emoji}:" if emoji else f"mentioned me below {message}"
    text = (
        f"A colleague {what}. Shall I file it as your ticket? You can change everything before it "
        "is filed."
    )
    blocks: list[Block] = [
        mrkdwn_section(text),
        actions(button(FILE_BUTTON_LABEL, ids.FILE_REACTED_MESSAGE, value, primary=True)),
    ]
    said = "marked" if emoji else "mentioned me below"
    return Message(
        text=f"A colleague {said} your message. Shall I file it as your ticket?", blocks=blocks
    )
