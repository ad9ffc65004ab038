"""A ticket's page with its conversation, in Home or as an ephemeral message."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from bson import ObjectId

from bot.views import ids, labels
from bot.views.blocks import (
    actions,
    button,
    context,
    header,
    mrkdwn_section,
    page_header,
    resolution_section,
    small_print,
    source_link,
    text_section,
    ticket_fields,
    ticket_section,
    titled_section,
)
from bot.views.cards.action_buttons import accepted_sentence, action_buttons
from bot.views.cards.ticket_cards import leave_button, ticket_reference
from bot.views.due_text import due_phrase, format_datetime, time_ago
from bot.views.history import MAX_ACTS, acts, history_blocks
from bot.views.inputs import View, modal, option
from bot.views.text import (
    Block,
    DisplayPerson,
    Message,
    display_person,
    escape,
    fit_to_limit,
    fit_view_to_limit,
    fits_limit,
    fits_view_limit,
    masked,
    mrkdwn,
    plain_text,
)
from services.core.text import truncate
from services.home.home_service import TicketPage
from services.linking.links import Directory
from services.models.comment import Comment
from services.models.events import EventType
from services.models.ticket import Priority, Ticket
from services.tickets.lifecycle import TicketAction, completed_by
from services.tickets.transitions import TAKEN_REASON

MAX_SHORT_TEXT_LENGTH = 500
MAX_SOLUTION_LENGTH = 300
MAX_NAMES_LENGTH = 2_900  # Slack's limit for a section is 3,000
MAX_FILES, MAX_FILE_NAME_LENGTH = 3, 60
# Tried in turn until a message fits: the number of comments and of acts in the history.
MESSAGE_SIZES = ((10, 20), (10, 10), (5, 5), (2, 2), (0, 1))
# As many comments of these as fit in a modal beside the history.
MODAL_COMMENTS = (30, 20, 10, 5, 0)


def ticket_page(page: TicketPage, *, notice: str = "") -> View:
    """Return the page in Home; `page` holds only what its reader may see. `notice` is a sentence
    as mrkdwn, such as why a change was refused."""
    back = button("Back", ids.HOME_BACK, page.screen.parent.encode())
    buttons = [back, *_buttons(page)]

    def open_button(ticket: Ticket) -> Block:
        to = replace(page.screen, ticket_id=ticket.id)
        return button("Open", ids.HOME_OPEN, to.encode())

    blocks = _page_blocks(page, buttons, open_button, notice=notice)
    return {"type": "home", "blocks": fit_view_to_limit(blocks)}


def ticket_message(page: TicketPage, *, notice: str = "") -> Message:
    """Return the page as an answer to a command or a button; `notice` as in `ticket_page`."""
    buttons = _buttons(page)

    def open_button(ticket: Ticket) -> Block:
        return button("Open", ids.LIST_OPEN, str(ticket.id))

    for comments, past in MESSAGE_SIZES:
        blocks = fit_to_limit(
            _page_blocks(
                page, buttons, open_button, notice=notice, max_comments=comments, max_acts=past
            )
        )
        if fits_limit(blocks):
            break
    state = labels.status_in_sentence(page.ticket, is_for_requester=_is_for_requester(page))
    return Message(text=f"{ticket_reference(page.ticket)}: {state}", blocks=blocks)


def _buttons(page: TicketPage) -> list[Block]:
    assignee = display_person(page.people, page.ticket.assigned_to)
    buttons = action_buttons(page.ticket, page.actions, assignee=assignee, has_details=False)
    if page.can_explain:
        buttons.append(button("Why?", ids.EXPLAIN_ASSIGNMENT, str(page.ticket.id)))
    return buttons


def _is_for_requester(page: TicketPage) -> bool:
    """Whether "Waiting for you" is meant for the reader."""
    return page.is_own and not page.is_staff


def _has_menus(page: TicketPage) -> bool:
    """Whether the reader may change priority and assignee now."""
    return {TicketAction.UPDATE, TicketAction.REASSIGN} <= page.actions


def _menus(page: TicketPage) -> Block:
    """Return menus of priority and assignee.

    The block_id holds the ticket and its seq: Slack sends it with every choice, and as it changes
    with the ticket, Slack does not restore an earlier choice.
    """
    ticket = page.ticket
    priorities = {one: option(labels.signed_priority(one), one.value) for one in reversed(Priority)}
    priority: Block = {
        "type": "static_select",
        "action_id": ids.SET_PRIORITY,
        "placeholder": plain_text("Priority"),
        "options": list(priorities.values()),
    }
    if ticket.priority:
        priority["initial_option"] = priorities[ticket.priority]
    assignee: Block = {
        "type": "external_select",
        "action_id": ids.SET_ASSIGNEE,
        "placeholder": plain_text(labels.NOT_ASSIGNED),
        "min_query_length": 0,
    }
    if ticket.assigned_to:
        person = display_person(page.people, ticket.assigned_to)
        assignee["initial_option"] = option(person.name, str(ticket.assigned_to))
        accepted = accepted_sentence(ticket, person)
        if accepted and TicketAction.TAKE in page.actions:  # another user's
            assignee["confirm"] = {
                "title": plain_text("Reassign?"),
                "text": mrkdwn(f"{accepted} Reassign?"),
                "confirm": plain_text("Reassign"),
                "deny": plain_text("Cancel"),
            }
    return {**actions(priority, assignee), "block_id": f"menus|{ticket.id}|{ticket.seq}"}


def ticket_from_block_id(block_id: str) -> tuple[str, int]:
    """Return the ticket's id and seq, from the block_id of the menus."""
    _, ticket_id, seq = (block_id.split("|") + [""] * 3)[:3]
    return ticket_id, int(seq) if seq.isdecimal() else 0


def _page_blocks(
    page: TicketPage,
    buttons: Iterable[Block],
    open_button: Callable[[Ticket], Block],
    *,
    notice: str = "",
    max_comments: int = 10,
    max_acts: int = MAX_ACTS,
) -> list[Block]:
    ticket, has_menus = page.ticket, _has_menus(page)
    blocks = [
        *page_header(ticket),
        *([mrkdwn_section(f":warning: {notice}")] if notice else []),
        actions(*buttons),
        *([_menus(page)] if has_menus else []),
        ticket_fields(
            ticket,
            requester=display_person(page.people, ticket.created_by),
            filed_by=display_person(page.people, ticket.filed_by) if ticket.filed_by else None,
            assignee=display_person(page.people, ticket.assigned_to)
            if ticket.assigned_to
            else None,
            done_by=_done_by(page),
            due=due_phrase(ticket, now=page.now),
            is_for_requester=_is_for_requester(page),
            has_menus=has_menus,
        ),
        *_dates(ticket),
        *_participants(page),
        *titled_section("Description", ticket.description),
        *small_print(*source_link(ticket)),
        *resolution_section(ticket, titled_section),
        *_add_people(page),
    ]
    if page.is_staff:
        blocks += _staff_section(ticket, page.people)
    blocks += _similar_tickets(page, open_button)
    blocks += conversation_blocks(ticket.comments, page.people, max_comments=max_comments)
    if ticket.events:
        blocks += _history_section(page, max_acts=max_acts)
    is_cut = len(acts(ticket.events)) > max_acts or len(ticket.comments) > max_comments
    return [*blocks, actions(_show_all(ticket))] if is_cut else blocks


def conversation_modal(page: TicketPage) -> View:
    """Return the whole conversation and history, as far as they fit."""
    ticket = page.ticket
    past = _history_section(page, max_acts=len(ticket.events))
    for comments in MODAL_COMMENTS:
        talk = conversation_blocks(ticket.comments, page.people, max_comments=comments)
        blocks = fit_view_to_limit([text_section(ticket.title), *talk, *past])
        if fits_view_limit(blocks):
            break
    return modal(title=labels.ticket_name(ticket), blocks=blocks)


def _history_section(page: TicketPage, *, max_acts: int) -> list[Block]:
    past = history_blocks(page.ticket.events, page.people, max_acts=max_acts)
    return [{"type": "divider"}, header("History"), *past]


def _show_all(ticket: Ticket) -> Block:
    return button("Show all", ids.SHOW_HISTORY, str(ticket.id))


def _done_by(page: TicketPage) -> DisplayPerson | None:
    by = completed_by(page.ticket)
    return display_person(page.people, by) if by else None


def _dates(ticket: Ticket) -> list[Block]:
    filed = [f"Filed {format_datetime(ticket.created_at)}"] if ticket.created_at else []
    deadline = [f"Deadline {format_datetime(ticket.deadline)}"] if ticket.deadline else []
    return [context(mrkdwn(" · ".join(filed + deadline)))] if filed or deadline else []


def _participants(page: TicketPage) -> list[Block]:
    """Return who takes part, if anyone does, with the button to change that or to leave."""
    ticket = page.ticket
    people = [display_person(page.people, user_id) for user_id in ticket.participants]
    if not people:
        return []
    line = mrkdwn_section(f"*Participants*\n{_names(people)}")
    if page.may_change_participants:
        line["accessory"] = _people_button(ticket, "Add or remove people")
    elif page.takes_part:
        line["accessory"] = leave_button(ticket)
    return [line]


def _add_people(page: TicketPage) -> list[Block]:
    """Return the button to add the first participant, below what the ticket is about."""
    is_first = page.may_change_participants and not page.ticket.participants
    return [actions(_people_button(page.ticket, "Add people"))] if is_first else []


def _people_button(ticket: Ticket, label: str) -> Block:
    return button(label, ids.ADD_PEOPLE, str(ticket.id))


def _names(people: Sequence[DisplayPerson]) -> str:
    """Return the names as mrkdwn, as many as a section may have."""
    names = [f"{one.mention}{'' if one.is_active else ' (deactivated)'}" for one in people]
    while len(", ".join(names)) > MAX_NAMES_LENGTH:
        names.pop()
    if more := len(people) - len(names):
        names.append(f"and {more} more")
    return ", ".join(names)


def _staff_section(ticket: Ticket, people: Directory) -> list[Block]:
    """Return what the requester does not see."""
    blocks: list[Block] = [{"type": "divider"}, header("For moderators only")]
    if ticket.summary:
        blocks += titled_section("Summary", ticket.summary)
    if ticket.helpful_notes:
        blocks += titled_section("Notes", ticket.helpful_notes)
    skills = ", ".join(ticket.related_skills) or "None recognised"
    blocks += titled_section("Skills", truncate(skills, MAX_SHORT_TEXT_LENGTH))
    if ticket.assigned_to and ticket.assignment:  # the legacy backend stored no reason
        reason = truncate(_assignment_reason(ticket, people), MAX_SHORT_TEXT_LENGTH)
        blocks += titled_section("Why this assignee", reason)
    if ticket.assignment.get("analysis"):
        blocks += [context(plain_text(sentence)) for sentence in labels.analysis_notes(ticket)]
    return blocks


def _similar_tickets(page: TicketPage, open_button: Callable[[Ticket], Block]) -> list[Block]:
    """Return the tickets like this one, and how each was solved."""
    if not page.similar:
        return []
    blocks: list[Block] = [{"type": "divider"}, header("Similar tickets")]
    for similar in page.similar:
        ticket, solution = similar.ticket, _shortened(similar.solution)
        what = "What was done" if ticket.resolution else "Last answer"
        facts = [f"*{labels.status(ticket)}*"]
        if ticket.private:
            facts.append("private")
        if ticket.created_at:
            facts.append(f"filed {time_ago(ticket.created_at, now=page.now)}")
        blocks += [
            ticket_section(ticket, open_button(ticket), verb="Open"),
            context(mrkdwn(" · ".join(facts))),
            *([context(plain_text(f"{what}: {solution}"))] if solution else []),
        ]
    return blocks


def _shortened(text: str) -> str:
    return truncate(" ".join(masked(text).split()), MAX_SOLUTION_LENGTH)


def _assignment_reason(ticket: Ticket, people: Directory) -> str:
    """Return why the assignee got the ticket, and the person who decided it, if one did."""
    reason = str(ticket.assignment.get("reason") or "")
    assigned = next((e for e in reversed(ticket.events) if e.type == EventType.ASSIGNED), None)
    by = assigned.by if assigned else None
    if reason == TAKEN_REASON or (by is not None and by == ticket.assigned_to):
        return f"{display_person(people, ticket.assigned_to).name} took it."
    if isinstance(by, ObjectId):
        name = display_person(people, by).name
        return f"{name} assigned it{f': {reason}' if reason else '.'}"
    return f"{reason[:1].upper()}{reason[1:]}" or "Another program assigned it."


def conversation_blocks(
    comments: Sequence[Comment], people: Directory, *, max_comments: int
) -> list[Block]:
    """Return the newest comments, the last one last."""
    if not comments or not max_comments:
        return []
    newest = comments[-max_comments:]
    blocks: list[Block] = [{"type": "divider"}, header("Conversation")]
    if older := len(comments) - len(newest):
        are = "comment is" if older == 1 else "comments are"
        blocks.append(context(plain_text(f"{older} older {are} not shown")))
    for comment in newest:
        blocks.append(context(mrkdwn(_heading(comment, people)), *_files(comment)))
        if comment.text and not comment.deleted:
            blocks.append(text_section(comment.text))
    return blocks


def _heading(comment: Comment, people: Directory) -> str:
    name = display_person(people, comment.by).name
    parts = [f"*{escape(f'{name[:1].upper()}{name[1:]}')}*", format_datetime(comment.at)]
    if comment.internal:
        parts.insert(0, "Internal note")
    if comment.deleted:
        return " · ".join([*parts, "deleted"])
    if comment.edited_at:
        parts.append("edited")
    return " · ".join(parts)


def _files(comment: Comment) -> list[Block]:
    files = () if comment.deleted else comment.files
    links = [
        mrkdwn(f"<{escape(file.url)}|{escape(truncate(file.name, MAX_FILE_NAME_LENGTH))}>")
        for file in files[:MAX_FILES]
    ]
    more = len(files) - len(links)
    return (
        [*links, plain_text(f"{more} more {'file' if more == 1 else 'files'}")] if more else links
    )
