"""Every message, card, modal, Home screen and email that the product writes, of sample objects."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bson import ObjectId

from bot.routes import HELP_ENTRIES
from bot.slack.form_state import FormState
from bot.views.cards import ticket_cards
from bot.views.explain import modal as explain
from bot.views.explain.terminal import explanation_lines
from bot.views.home import overview, people_list, search_results, ticket_list
from bot.views.home.ticket_page import conversation_modal, ticket_message
from bot.views.inputs import notice_modal
from bot.views.messages import (
    address_claim,
    conversation_notes,
    emoji_answers,
    handover_offer,
    settled,
    staff_welcome,
    ticket_updates,
)
from bot.views.messages import help as help_views
from bot.views.messages.digest import digest_message
from bot.views.messages.reminder_message import ReminderLine, reminder_message
from bot.views.modals import (
    account,
    availability,
    bulk_changes,
    edit_ticket,
    file_ticket,
    person,
    person_changes,
    request_channels,
    team_settings,
    ticket_actions,
)
from bot.views.modals.bulk_changes import BulkResult, ReviewMetadata
from bot.views.modals.participants import participants_modal
from bot.views.modals.private_choice import PrivateTicketChoice
from bot.views.text import DisplayPerson, display_person
from services.account_admin.audit_trail import PersonChanges
from services.account_admin.private_ticket_settings import PrivateTicketSettings
from services.accounts.account_search import AccountCursor, AccountPage
from services.assignment.assignment_service import Unavailability
from services.assignment.candidate import Candidate, Obstacle
from services.assignment.explanation import (
    CandidateExclusion,
    CandidateScore,
    DryRun,
    Explanation,
    LastAssignment,
)
from services.assignment.feedback import Correction, CorrectionKind
from services.assignment.ranking import AssigneeOption
from services.assignment.reassign import ReassignResult
from services.audit.audit_log import COMMAND_LINE, SYSTEM, AuditAction, AuditEntry, account_field
from services.auth.address_confirmation import confirmation_path
from services.auth.password_reset import reset_path
from services.availability.absence import Absence, AbsenceSource
from services.availability.availability_service import Availability, WorkHours
from services.availability.handover_offers import HandoverOffer, OfferAnswer, OfferDecision
from services.availability.slack_status import NO_END, StatusRules
from services.calendar.business_hours import BusinessHours
from services.channels.request_channels import ChannelMode, ChannelState, RequestChannel
from services.core.slack_scopes import GrantedScopes
from services.digest.digest_service import (
    AssigneeCounts,
    Digest,
    DigestDay,
    QueueCounts,
    TeamActivity,
)
from services.editing.bulk_changes import BulkAction, BulkChange, BulkReview, ReviewedTicket
from services.editing.participants import ParticipantsForm
from services.editing.ticket_edits import EditConflict, EditForm, FieldConflict
from services.home.home_service import (
    HomePage,
    PeoplePage,
    SearchResultsPage,
    SettingsPage,
    TicketListPage,
    TicketPage,
)
from services.home.sessions import Screen
from services.home.setup_checklist import SetupChecklist
from services.linking.account_linking import LinkPreview, UnlinkPreview
from services.linking.links import Directory
from services.linking.staff_invitations import StaffInvitation
from services.lists.list_query import ListCursor, ListKind, ListQuery, skill_key
from services.lists.list_service import ListPage, ListResult
from services.models.comment import Comment, FileLink
from services.models.escalation_track import STEP_RULES, EscalationStep, ScheduledStep
from services.models.events import Event, EventType
from services.models.message_source import checked_source
from services.models.permissions import Actor
from services.models.resolution import (
    CANCELLED_RESOLUTION,
    NO_ANSWER_RESOLUTION,
    NOT_A_REQUEST_RESOLUTION,
)
from services.models.sla_clock import SlaClock
from services.models.ticket import Priority, Status, Ticket
from services.models.user import Role, User
from services.outbox.emails import EmailKind
from services.search.match_excerpt import find_excerpt
from services.search.search_query import (
    Rank,
    SearchCursor,
    SearchFilter,
    SearchPage,
    SearchQuery,
)
from services.search.search_service import Hit, PersonChoice, SearchResult
from services.search.similar_tickets import SimilarTicket
from services.sla.escalation_schedule import NEXT_STEP_FIELD
from services.sla.policy import TargetFields, Targets
from services.team_settings.private_tickets import PrivateTicketState
from services.team_settings.settings_service import BusinessHoursFields, CurrentSettings
from services.tickets.access import for_requester
from services.tickets.lifecycle import allowed_actions, stale_message
from tasks.email import compose
from tests.bot.handlers.test_ticket_page_explanation import PARTS
from tests.bot.views.cards.test_ticket_cards import ASSIGNED as ASSIGNED_FIELDS
from tests.conftest import APP_URL, sample_ticket
from tests.messages.plain_text import Content
from tests.support.slack_workspace import GENERAL, TEAM_URL
from tests.support.view_state import state_values

EMPLOYEE, ASSIGNEE, MODERATOR, ADMIN = "employee", "assignee", "moderator", "admin"
READERS = (EMPLOYEE, ASSIGNEE, MODERATOR, ADMIN)
MESSAGES, CARDS, MODALS, HOME, EMAILS, TERMINAL = KINDS = (
    "Messages", "Cards", "Modals", "Home", "Emails", "Command line"
)  # fmt: skip

APP_NAME = "Help desk"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SOON = NOW + timedelta(days=1)
ANN, BEN, CLEO, ADA, DAN = (
    User(
        ObjectId(f"65f0c0ffee65f0c0ffee000{number}"),
        f"{name.lower()}@example.com",
        role,
        name=name,
        skills=("VPN",) if role is Role.MODERATOR else (),
    )
    for number, name, role in (
        (1, "Ann", Role.USER),
        (2, "Ben", Role.MODERATOR),
        (3, "Cleo", Role.MODERATOR),
        (4, "Ada", Role.ADMIN),
        (5, "Dan", Role.USER),
    )
)  # fmt: skip
USERS = (ANN, BEN, CLEO, ADA, DAN)
PEOPLE = Directory({user.id: user for user in USERS}, {user.id: f"U0{user.name}" for user in USERS})
REQUESTER, BY_BEN, BY_CLEO = (display_person(PEOPLE, user.id) for user in (ANN, BEN, CLEO))
FILED = Event(1, NOW, ANN.id, EventType.FILED)
NOBODY_AVAILABLE = Event(2, NOW, "system", EventType.NOBODY_AVAILABLE)
SOURCE = checked_source(team_url=TEAM_URL, channel=GENERAL, ts="1700000000.000001")
COMMENT = Comment(ObjectId(), NOW, BEN.id, "Which client do you use?", position=0)
NOTE = replace(COMMENT, text="Looks like the certificate.", internal=True)
FILE = replace(COMMENT, by=ANN.id, text="", files=(FileLink("log.txt", f"{TEAM_URL}files/1"),))


def _ticket(**fields: Any) -> Ticket:
    return sample_ticket(**{"created_at": NOW, "events": (FILED,), **fields})


NEW = _ticket()
UNAVAILABLE = _ticket(events=(FILED, NOBODY_AVAILABLE))
ASSIGNED = _ticket(**ASSIGNED_FIELDS, due_at=SOON, source=SOURCE)
ACCEPTED = replace(ASSIGNED, accepted_at=NOW)
WAITING = replace(
    ASSIGNED, status=Status.WAITING, due_at=None, sla_clock=SlaClock(spans=((NOW, NOW),))
)
REMINDED = replace(WAITING, next_step=ScheduledStep(NOW, EscalationStep.WAITING_CLOSE, "waiting"))
_DONE = (Event(2, NOW, BEN.id, EventType.RESOLVED),)
RESOLVED = replace(
    ASSIGNED, status=Status.COMPLETED, resolution="Renewed the certificate.", events=_DONE
)
CANCELLED = replace(RESOLVED, resolution=CANCELLED_RESOLUTION)
WITHDRAWN = replace(
    RESOLVED,
    resolution=NOT_A_REQUEST_RESOLUTION,
    events=(Event(2, NOW, BEN.id, EventType.WITHDRAWN),),
)
UNANSWERED = replace(RESOLVED, resolution=NO_ANSWER_RESOLUTION)
REOPENED = replace(ASSIGNED, status=Status.REOPENED)
LATE = replace(ASSIGNED, due_at=NOW - timedelta(hours=2))


PRIVATE_AS_INSTALLED = PrivateTicketSettings((), PrivateTicketState(), NOW)
PRIVATE_NAMED = PrivateTicketSettings((BEN, CLEO), PrivateTicketState(), NOW)
PRIVATE_OFF = PrivateTicketSettings((), PrivateTicketState(NOW), NOW)
PRIVATE_ACCEPTED = PrivateTicketSettings((BEN,), PrivateTicketState(NOW, is_accepted=True), NOW)
REQUEST_CHANNELS = (
    RequestChannel("T0TEAM", "C0ITHELP", ChannelMode.EVERY_MESSAGE, name="it-help"),
    RequestChannel(
        "T0TEAM",
        "C0HR",
        ChannelMode.ON_REQUEST,
        is_private=True,
        has_emoji_actions=True,
        name="hr",
        is_channel_private=True,
    ),
    *(
        RequestChannel(
            "T0TEAM", f"C0{state.upper()}", ChannelMode.ON_REQUEST, state=state, name=state
        )
        for state in ChannelState
        if state is not ChannelState.ACTIVE
    ),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """What `reader`, one of `READERS`, sees; `kind` is one of `KINDS`."""

    kind: str
    reader: str
    title: str
    content: Content


def catalogue() -> list[Entry]:
    parts = (_messages, _cards, _modals, _account_modals, _admin_modals, _home, _emails, _terminal)
    return [Entry(*entry) for part in parts for entry in part()]


Row = tuple[str, str, str, Content]


def _messages() -> Iterator[Row]:
    updates = ticket_updates
    yield MESSAGES, EMPLOYEE, "A ticket was filed from a message", updates.filed_message(NEW)
    yield (
        MESSAGES,
        MODERATOR,
        "A ticket was made private, and what people wrote stays",
        updates.stays_in_channel_message(
            replace(ACCEPTED, private=True), count=2, authors=[BY_BEN, BY_CLEO], channels=[GENERAL]
        ),
    )
    question = COMMENT.text
    yield (
        MESSAGES,
        EMPLOYEE,
        "A question",
        updates.question_message(WAITING, by=BY_BEN, question_text=question),
    )
    yield (
        MESSAGES,
        EMPLOYEE,
        "A question, if the app cannot read replies",
        updates.question_message(
            WAITING, by=BY_BEN, question_text=question, are_replies_read=False
        ),
    )
    yield (
        MESSAGES,
        EMPLOYEE,
        "The question again",
        updates.question_reminder_message(REMINDED, question_text=question),
    )
    yield (
        MESSAGES,
        EMPLOYEE,
        "Closed without an answer",
        updates.closed_unanswered_message(UNANSWERED),
    )
    in_channel = replace(RESOLVED, source=replace(SOURCE, is_conversation=True))
    for title, message in {
        "A question": conversation_notes.question_note(
            REQUESTER, by=BY_BEN, question_text=question
        ),
        "Resolved": conversation_notes.resolved_note(RESOLVED, REQUESTER, by=BY_BEN),
        "Closed without an answer": conversation_notes.closed_unanswered_note(
            UNANSWERED, REQUESTER
        ),
        "Not a request": conversation_notes.withdrawn_note(RESOLVED, REQUESTER, by=BY_BEN),
        "A comment from elsewhere": conversation_notes.comment_copy(COMMENT, author=None),
        "The same, if the app cannot post under other names": conversation_notes.comment_copy(
            COMMENT, author=BY_BEN
        ),
        "The requester writes once it is resolved": conversation_notes.reopen_offer(RESOLVED),
    }.items():
        yield MESSAGES, EMPLOYEE, f"In a request channel: {title}", message
    for title, message in {
        "Resolved": updates.resolved_message(in_channel, by=BY_BEN),
        "The question again": updates.question_reminder_message(
            replace(in_channel, status=Status.WAITING), question_text=question
        ),
    }.items():
        yield MESSAGES, EMPLOYEE, f"{title}, after four hours in a request channel", message
    yield MESSAGES, EMPLOYEE, "Resolved", updates.resolved_message(RESOLVED, by=BY_BEN)
    yield (
        MESSAGES,
        EMPLOYEE,
        "Resolved without a note",
        updates.resolved_message(replace(RESOLVED, resolution=None), by=BY_BEN),
    )
    yield (
        MESSAGES,
        EMPLOYEE,
        "Closed as not a request",
        updates.withdrawn_message(WITHDRAWN, by=BY_BEN),
    )
    for title, message in {
        "The requester pressed Solved": settled.solved_message(RESOLVED),
        "The same, in a request channel": settled.solved_message(in_channel),
        "The assignee pressed Take over": settled.already_assigned_message(ASSIGNED),
        "The requester reopened it": settled.reopened_message(REOPENED),
        "The requester answered": settled.answered_message(
            ASSIGNED, question=question, answer="Version 5."
        ),
        "The answer was deleted": settled.answered_message(ASSIGNED, question="", answer=""),
    }.items():
        yield MESSAGES, EMPLOYEE, title, message
    yield (
        MESSAGES,
        EMPLOYEE,
        "A comment",
        updates.comment_message(ASSIGNED, COMMENT, author=BY_BEN, is_outside_thread=True),
    )
    yield (
        MESSAGES,
        EMPLOYEE,
        "A comment was deleted",
        updates.comment_message(
            ASSIGNED, replace(COMMENT, deleted=True), author=BY_BEN, is_outside_thread=False
        ),
    )
    yield from _offers()
    yield from _assignee_messages()
    yield from _help_desk_messages()
    for role, reader in ((Role.USER, EMPLOYEE), (Role.ADMIN, ADMIN)):
        yield MESSAGES, reader, "/ticket help", help_views.help_message(HELP_ENTRIES, role=role)
    yield (
        MESSAGES,
        EMPLOYEE,
        "A word that is almost a command",
        help_views.suggestion_message("/ticket 12", typed="tickets 12"),
    )
    for user, reader in ((ANN, EMPLOYEE), (BEN, MODERATOR)):
        yield (
            MESSAGES,
            reader,
            "/account",
            account.account_summary(
                user, slack_user_id="U0Ann", app_url=APP_URL, claim=DAN if user is ANN else None
            ),
        )
    for title, invitation in (
        ("linked", StaffInvitation(BEN, is_linked=True)),
        ("not linked", StaffInvitation(BEN, is_linked=False)),
        ("to link with a code", StaffInvitation(BEN, is_linked=False, needs_code=True)),
    ):
        message = staff_welcome.welcome_message(invitation, app_name=APP_NAME)
        yield MESSAGES, MODERATOR, f"Welcome of a moderator, {title}", message
    yield MESSAGES, EMPLOYEE, "Another account has the address", address_claim.claim_message(DAN)
    yield MESSAGES, EMPLOYEE, "It's not mine", address_claim.disowned_message(DAN.email)
    yield MESSAGES, EMPLOYEE, "It's mine", address_claim.merged_message(DAN.email)
    yield MESSAGES, EMPLOYEE, "A code was used", account.code_used_warning(ANN.email, by="U0Dan")
    yield MESSAGES, EMPLOYEE, "Unlinked on the page", account.unlinked_message(ANN.email)


def _offers() -> Iterator[Row]:
    text = "The VPN drops every hour."
    for title, tickets in (
        ("A direct message", ()),
        ("A direct message while a question waits", (WAITING, replace(NEW, number=14))),
        ("A direct message with another open ticket", (NEW,)),
    ):
        offer = file_ticket.direct_message_offer(
            text, value="v", is_in_thread=not tickets, tickets=tickets
        )
        yield MESSAGES, EMPLOYEE, title, offer
    yield MESSAGES, EMPLOYEE, "Added to a ticket", file_ticket.added_message(NEW, text)
    yield MESSAGES, EMPLOYEE, "The direct message was deleted", file_ticket.withdrawn_offer()
    yield MESSAGES, EMPLOYEE, "The message was filed", file_ticket.filed_offer(12)
    yield (
        MESSAGES,
        EMPLOYEE,
        "An emoji on a message",
        file_ticket.reaction_offer(SOURCE.permalink, emoji="ticket", value="v"),
    )
    guest = "Wilma Writer is a guest, and guests get no account."
    yield (
        MESSAGES,
        EMPLOYEE,
        "An emoji on a guest's message",
        file_ticket.reaction_offer(
            SOURCE.permalink, emoji="ticket", value="v", without_account=guest
        ),
    )
    yield (
        MESSAGES,
        EMPLOYEE,
        "A colleague's emoji on one's message",
        file_ticket.author_offer(SOURCE.permalink, emoji="ticket", value="v"),
    )
    yield (
        MESSAGES,
        EMPLOYEE,
        "A colleague's mention below one's message",
        file_ticket.author_offer(SOURCE.permalink, value="v"),
    )
    for title, reason in {
        "A mention where the app may not read": file_ticket.NOT_READ,
        "An emoji or a mention, and Slack does not return the message": file_ticket.NOT_READABLE,
        "An emoji or a mention, and the message has no text": file_ticket.NOTHING_TO_READ,
        "A mention below a guest's message": guest,
    }.items():
        offer = file_ticket.requested_offer(
            SOURCE.permalink, value="v", reason=reason, is_own=reason == guest
        )
        yield MESSAGES, EMPLOYEE, title, offer
    yield (
        MESSAGES,
        EMPLOYEE,
        "A short message in a request channel",
        file_ticket.short_message_offer(SOURCE.permalink, value="v"),
    )


def _assignee_messages() -> Iterator[Row]:
    updates = ticket_updates
    requester_acts = {
        "Reopened": updates.reopened_message(REOPENED, by=REQUESTER, reason="It drops again."),
        "Cancelled": updates.cancelled_message(CANCELLED, by=REQUESTER),
        "Solved": updates.solved_message(RESOLVED, by=REQUESTER),
        "Another moderator resolved it": updates.resolved_by_other_message(RESOLVED, by=BY_CLEO),
        "Another moderator closed it as not a request": updates.withdrawn_by_other_message(
            WITHDRAWN, by=BY_CLEO
        ),
        "They added :eyes: to an unassigned ticket": emoji_answers.taken_message(ACCEPTED),
        "They added :white_check_mark:": emoji_answers.resolve_question(ACCEPTED),
        "They resolved it after that": settled.resolved_message(RESOLVED),
        "They added :no_entry_sign:": emoji_answers.withdrawn_message(WITHDRAWN),
    }
    for title, message in requester_acts.items():
        yield MESSAGES, ASSIGNEE, title, message
    for title, assignee in (
        ("Taken over", BY_CLEO), ("Reassigned", display_person(PEOPLE, ADA.id)), ("Returned", None)
    ):  # fmt: skip
        yield (
            MESSAGES,
            ASSIGNEE,
            title,
            updates.taken_over_message(
                ASSIGNED, by=BY_CLEO, assignee=assignee, reason="Ben is on another case."
            ),
        )
    for title, are_read in (("", True), (", if the app cannot read replies", False)):
        notes = updates.notes_message(ASSIGNED, are_replies_read=are_read)
        yield MESSAGES, ASSIGNEE, f"The thread of internal notes{title}", notes
    yield (
        MESSAGES,
        ASSIGNEE,
        "An internal note",
        updates.comment_message(ASSIGNED, NOTE, author=BY_CLEO, is_outside_thread=False),
    )
    for written, to, what in (
        (NOTE, None, "note"),
        (FILE, REQUESTER, "comment"),
        (FILE, None, "comment that is for no one in particular"),
    ):
        own = replace(written, text="Try the other cable.", files=())
        yield (
            MESSAGES,
            ASSIGNEE,
            f"For its author, below the card: a {what}",
            updates.comment_sent_message(ASSIGNED, own, to=to),
        )
    yield (
        MESSAGES,
        ASSIGNEE,
        "A file",
        updates.comment_message(ASSIGNED, FILE, author=REQUESTER, is_outside_thread=True),
    )
    for step in (EscalationStep.ACCEPT_REMINDER, EscalationStep.ACCEPT_REASSIGN,
                 EscalationStep.DUE_SOON, EscalationStep.DUE_MISSED):  # fmt: skip
        is_gone = step is EscalationStep.ACCEPT_REASSIGN
        line = ReminderLine(LATE, step, NOW, REQUESTER, BY_CLEO if is_gone else None, not is_gone)
        yield MESSAGES, ASSIGNEE, f"Reminder: {step}", reminder_message([line], count=1)
    lines = [
        ReminderLine(LATE, EscalationStep.DUE_MISSED, NOW, REQUESTER, None, is_for_assignee=True)
    ] * 2
    yield MESSAGES, ASSIGNEE, "Several reminders", reminder_message(lines, count=5)
    done = [replace(lines[0], outcome="You accepted it.")]
    yield MESSAGES, ASSIGNEE, "A reminder that was acted on", reminder_message(done, count=1)
    several = [lines[0], *done]
    yield (
        MESSAGES,
        ASSIGNEE,
        "Several reminders, of which one was acted on",
        reminder_message(several, count=2),
    )


def _help_desk_messages() -> Iterator[Row]:
    updates = ticket_updates
    yield (
        MESSAGES,
        MODERATOR,
        "In the triage channel: an internal note",
        updates.internal_note_notice(ASSIGNED, NOTE, author=BY_CLEO),
    )
    for step, reader, assignee in (
        (EscalationStep.ACCEPT_TRIAGE, MODERATOR, BY_BEN),
        (EscalationStep.DUE_TRIAGE, MODERATOR, None),
        (EscalationStep.ACCEPT_ADMINS, ADMIN, BY_BEN),
        (EscalationStep.DUE_ADMINS, ADMIN, None),
    ):
        line = ReminderLine(LATE, step, NOW, REQUESTER, assignee, is_for_assignee=False)
        message = reminder_message([line], count=1, is_channel=reader == MODERATOR)
        yield MESSAGES, reader, f"Reminder: {step}", message
    yield (
        MESSAGES,
        ADMIN,
        "No one is available",
        updates.unassigned_message(
            UNAVAILABLE, requester=REQUESTER, unavailable=_unavailable(), now=NOW
        ),
    )
    yield (
        MESSAGES,
        ADMIN,
        "No one is available for several tickets",
        updates.unassigned_summary(
            [UNAVAILABLE, replace(NEW, number=14)], count=30, unavailable=(), now=NOW
        ),
    )
    yield (
        MESSAGES,
        ADMIN,
        "No one was available for several tickets, of which one was assigned",
        updates.unassigned_summary(
            [UNAVAILABLE],
            count=1,
            unavailable=(),
            now=NOW,
            settled=[(replace(NEW, number=14), "You took it.")],
        ),
    )
    day = DigestDay(date(2026, 11, 23), NOW, date(2026, 11, 20), NOW)
    digest = Digest(BEN, day, AssigneeCounts(4, 1, SOON), QueueCounts(2, 3), TeamActivity(5, 6),
                    NOW, NOW)  # fmt: skip
    yield MESSAGES, MODERATOR, "The daily digest", digest_message(digest)
    nothing = replace(digest, assignee=AssigneeCounts(0, 0, None), queue=QueueCounts(0, 0))
    yield MESSAGES, MODERATOR, "The daily digest with no open ticket", digest_message(nothing)
    for source, until in ((AbsenceSource.SELF, SOON), (AbsenceSource.SLACK, NO_END)):
        offer = HandoverOffer(BEN, "key", BEN.id, 3, until, source, 1, NOW)
        yield (MESSAGES, MODERATOR, f"Away, set by {source}", handover_offer.offer_message(offer))
    offer = HandoverOffer(BEN, "key", ADA.id, 1, SOON, AbsenceSource.ADMIN, 1, NOW)
    yield MESSAGES, ADMIN, "A moderator was set away", handover_offer.offer_message(offer)
    for is_own, reader in ((True, MODERATOR), (False, ADMIN)):
        for answer in OfferAnswer:
            decision = OfferDecision(answer, BEN, 3)
            yield (
                MESSAGES,
                reader,
                f"The offer to hand over: {answer}",
                handover_offer.decision_message(decision, is_own=is_own),
            )


def _unavailable() -> list[tuple[DisplayPerson, Unavailability]]:
    """Each reason why a candidate is not chosen."""
    away = Candidate(ADA.id, ADA.role, (), 1, 8, away_until=SOON)
    here = Candidate(CLEO.id, CLEO.role, (), 8, 8)
    reasons = (None, *(reason for reason in Obstacle if reason is not Obstacle.AWAY))
    found = [
        Unavailability(away, Obstacle.AWAY),
        *(Unavailability(here, reason) for reason in reasons),
    ]
    return [(display_person(PEOPLE, one.candidate.user_id), one) for one in found]


def _cards() -> Iterator[Row]:
    states = {
        "just filed": (NEW, None),
        "no one is available": (UNAVAILABLE, None),
        "assigned": (ASSIGNED, BY_BEN),
        "accepted": (ACCEPTED, BY_BEN),
        "waiting": (WAITING, BY_BEN),
        "resolved": (RESOLVED, BY_BEN),
        "cancelled": (CANCELLED, BY_BEN),
        "closed without an answer": (UNANSWERED, None),
        "reopened": (REOPENED, BY_BEN),
    }
    yield (
        CARDS,
        EMPLOYEE,
        "resolved, as a message has said",
        ticket_cards.requester_card(
            RESOLVED, assignee=BY_BEN, done_by=BY_BEN, is_end_announced=True
        ),
    )
    for state, (ticket, assignee) in states.items():
        done_by = BY_BEN if ticket.status is Status.COMPLETED and assignee else None
        people: dict[str, Any] = {"requester": REQUESTER, "done_by": done_by}
        yield (
            CARDS,
            EMPLOYEE,
            state,
            ticket_cards.requester_card(ticket, assignee=assignee, done_by=done_by),
        )
        yield (
            CARDS,
            MODERATOR,
            f"In the triage channel: {state}",
            ticket_cards.triage_card(ticket, assignee=assignee, **people),
        )
        yield (
            CARDS,
            EMPLOYEE,
            f"In a request channel: {state}",
            ticket_cards.conversation_line(ticket, assignee=assignee, done_by=done_by),
        )
        if assignee:
            yield (
                CARDS,
                ASSIGNEE,
                state,
                ticket_cards.assignee_card(ticket, **people),
            )
    yield (
        CARDS,
        ASSIGNEE,
        "given by a moderator",
        ticket_cards.assignee_card(ASSIGNED, requester=REQUESTER, assigned_by=BY_CLEO),
    )
    for_another: dict[str, Any] = {"filed_by": BY_CLEO}
    yield (
        CARDS,
        EMPLOYEE,
        "filed by a moderator",
        ticket_cards.requester_card(ASSIGNED, assignee=BY_BEN, **for_another),
    )
    for_another["requester"] = REQUESTER
    yield (
        CARDS,
        ASSIGNEE,
        "filed by a moderator",
        ticket_cards.assignee_card(ASSIGNED, **for_another),
    )
    yield (
        CARDS,
        MODERATOR,
        "In the triage channel: filed by a moderator",
        ticket_cards.triage_card(ASSIGNED, assignee=BY_BEN, **for_another),
    )
    for reader, is_shown in ((EMPLOYEE, False), (MODERATOR, True)):
        yield (
            CARDS,
            reader,
            "of a former requester",
            ticket_cards.former_requester_card(ASSIGNED, is_shown_ticket=is_shown),
        )
    given_back = Event(3, NOW, BEN.id, EventType.UNASSIGNED, from_=BEN.id)
    ways = {
        "gave it back": given_back,
        "was absent": replace(given_back, by="system", assignee_was_absent=True),
        "lost it to the queue": replace(given_back, by=CLEO.id),
        "did not accept it": replace(given_back, type=EventType.ASSIGNED, by="system", to=CLEO.id),
        "lost it to a colleague": replace(
            given_back, type=EventType.ASSIGNED, by=CLEO.id, to=CLEO.id
        ),
        "lost it to a third person": replace(
            given_back, type=EventType.ASSIGNED, by=ADA.id, to=CLEO.id
        ),
    }
    for way, loss in ways.items():
        lost = replace(ACCEPTED, assigned_to=CLEO.id, events=(FILED, loss))
        yield (
            CARDS,
            ASSIGNEE,
            f"of a former assignee who {way}",
            ticket_cards.former_assignee_card(
                lost, former=BEN.id, lookup=lambda user_id: display_person(PEOPLE, user_id)
            ),
        )

    private = replace(NEW, private=True)
    yield CARDS, MODERATOR, "of a private ticket, in a channel", ticket_cards.private_card(private)
    joined = replace(ACCEPTED, participants=(DAN.id,))
    yield (
        CARDS,
        EMPLOYEE,
        "of a participant",
        ticket_cards.participant_card(
            joined, requester=REQUESTER, assignee=BY_BEN, added_by=BY_CLEO
        ),
    )
    yield (
        CARDS,
        EMPLOYEE,
        "In a request channel: Details, for one who may not see the ticket",
        ticket_cards.conversation_details(ACCEPTED, assignee=BY_BEN, done_by=None),
    )
    yield CARDS, EMPLOYEE, "of one who left", ticket_cards.former_participant_card(joined)
    yield CARDS, EMPLOYEE, "private", ticket_cards.requester_card(private, assignee=None)


def _modals() -> Iterator[Row]:
    quote = file_ticket.full_quote(
        "The VPN drops.", author="Ann", channel="general", permalink=SOURCE.permalink
    )
    quotes = {
        "": None,
        " from a message": quote,
        " from a private message": file_ticket.link_only_quote(
            SOURCE.permalink, note=file_ticket.NOT_PUBLIC),
        " from a message that the app may not read": file_ticket.link_only_quote(
            SOURCE.permalink, note=file_ticket.NOT_PERMITTED),
        " from an old direct message": file_ticket.direct_message_quote(None),
        " from a long message in a request channel": file_ticket.channel_message_quote(
            "The VPN drops every hour. " * 160,
            permalink=SOURCE.permalink,
            note=file_ticket.not_included_note(others=3, earlier=1, permalink=SOURCE.permalink)),
    }  # fmt: skip
    for title, filled in quotes.items():
        form = file_ticket.file_ticket_modal(
            is_ai_enabled=not filled,
            quote=filled,
            private_tickets=PrivateTicketChoice.OFF if filled else PrivateTicketChoice.ON,
        )
        yield MODALS, EMPLOYEE, f"File a ticket{title}", form
    choice = PrivateTicketChoice.WITH_WARNING
    form = file_ticket.file_ticket_modal(is_ai_enabled=False, private_tickets=choice)
    yield MODALS, EMPLOYEE, "File a ticket, with an old backend", form
    yield MODALS, EMPLOYEE, "Before the form opens", file_ticket.file_ticket_loading_modal()
    yield (
        MODALS,
        EMPLOYEE,
        "File a ticket like an open one",
        file_ticket.similar_ticket_modal(
            [block for block in form["blocks"] if block["type"] == "input"],
            replace(NEW, created_at=NOW - timedelta(days=3)),
            title="VPN drops again",
            metadata="",
            now=NOW,
        ),
    )
    text, notes = ticket_actions.typed_comment("VPN drops again", NEW.description)
    notes += [ticket_actions.NOT_PRIVATE.format(number=12), ticket_actions.UNWANTED_READER]
    instead = ticket_actions.comment_modal(NEW, initial=text, notes=notes)
    yield MODALS, EMPLOYEE, "Comment in place of filing", instead
    commented = ticket_actions.commented_modal(NEW)
    yield MODALS, EMPLOYEE, "Comment sent in place of filing", commented
    yield MODALS, EMPLOYEE, "Ticket filed", file_ticket.filed_modal(NEW)
    in_thread = replace(NEW, source=replace(SOURCE, is_conversation=True))
    filed_there = file_ticket.filed_modal(in_thread)
    yield MODALS, EMPLOYEE, "Ticket filed, in a request channel", filed_there
    form = file_ticket.file_ticket_modal(is_ai_enabled=False, requester="U0ANA")
    yield MODALS, MODERATOR, "File a ticket for someone", form
    for_other = file_ticket.filed_modal(NEW, requester=REQUESTER)
    yield MODALS, MODERATOR, "Ticket filed for someone", for_other
    others = file_ticket.link_only_quote(SOURCE.permalink, note=file_ticket.OTHERS_MESSAGE)
    form = file_ticket.file_ticket_modal(is_ai_enabled=False, quote=others)
    yield MODALS, EMPLOYEE, "File a ticket, with a link to someone's message", form
    yield (
        MODALS,
        EMPLOYEE,
        "The message has a ticket already",
        file_ticket.already_filed_modal(
            "This message is ticket 12 already.",
            ticket=NEW,
            assignee=None,
            entered_text="It drops.",
        ),
    )
    by_ann = ticket_actions.comment_modal(ASSIGNED, reader_id=ANN.id)
    yield MODALS, EMPLOYEE, "Comment", by_ann
    yield MODALS, ASSIGNEE, "Comment", ticket_actions.comment_modal(ASSIGNED)
    in_channel = replace(WAITING, source=replace(SOURCE, is_conversation=True))
    for title, form in {
        "Comment": ticket_actions.comment_modal(in_channel),
        "Answer": ticket_actions.answer_modal(in_channel, question=COMMENT.text),
        "Reopen": ticket_actions.reopen_ticket_modal(in_channel),
    }.items():
        yield MODALS, EMPLOYEE, f"{title}, in a request channel", form
    for title, form in {
        "Resolve": ticket_actions.resolve_ticket_modal(in_channel),
        "Ask the requester": ticket_actions.ask_requester_modal(in_channel),
    }.items():
        yield MODALS, ASSIGNEE, f"{title}, in a request channel", form
    yield MODALS, EMPLOYEE, "Cancel", ticket_actions.cancel_ticket_modal(ASSIGNED)
    yield (
        MODALS,
        EMPLOYEE,
        "An error",
        notice_modal("There is no such ticket, or you may not see it."),
    )
    by_ann = ticket_actions.reopen_ticket_modal(RESOLVED, reader_id=ANN.id)
    yield MODALS, EMPLOYEE, "Reopen", by_ann
    yield MODALS, ASSIGNEE, "Reopen", ticket_actions.reopen_ticket_modal(RESOLVED)
    yield MODALS, EMPLOYEE, "Answer", ticket_actions.answer_modal(WAITING, question=COMMENT.text)
    joined = replace(ASSIGNED, participants=(DAN.id,))
    for title, members in (
        ("Add people", ParticipantsForm(NEW, ())),
        ("Add people, private", ParticipantsForm(replace(joined, private=True), (DAN,))),
        (
            "Add people, no room",
            ParticipantsForm(replace(joined, participants=20 * (DAN.id,)), (DAN,)),
        ),
    ):
        yield MODALS, EMPLOYEE, title, participants_modal(members)
    yield (
        MODALS,
        EMPLOYEE,
        "Comment, participants read it",
        ticket_actions.comment_modal(joined, reader_id=ANN.id),
    )
    asking = ticket_actions.ask_requester_modal(joined)
    yield MODALS, ASSIGNEE, "Ask the requester, participants read it", asking
    yield MODALS, ASSIGNEE, "Internal note", ticket_actions.note_modal(ASSIGNED)
    yield MODALS, ASSIGNEE, "Resolve", ticket_actions.resolve_ticket_modal(ASSIGNED)
    yield MODALS, ASSIGNEE, "Ask the requester", ticket_actions.ask_requester_modal(ASSIGNED)
    yield MODALS, ASSIGNEE, "Decline", ticket_actions.decline_modal(ASSIGNED)
    for title, outcome in {
        "it has a new assignee": ReassignResult(ASSIGNED, CLEO),
        "no one is available": ReassignResult(UNAVAILABLE, None),
        "it is analysed again": ReassignResult(NEW, None),
    }.items():
        yield MODALS, ASSIGNEE, f"Declined: {title}", ticket_actions.declined_modal(outcome)
    fit = AssigneeOption(CLEO, ("VPN",), 2, 8, None, "knows VPN · 3 of 8 tickets with this one")
    full = AssigneeOption(ADA, (), 8, 8, Obstacle.FULL, "has 8 of 8 open tickets", is_match=False)
    yield (
        MODALS,
        MODERATOR,
        "Reassign",
        ticket_actions.reassign_ticket_modal(ACCEPTED, [fit], assignee=BY_BEN),
    )
    yield (
        MODALS,
        MODERATOR,
        "Reassign, if no one fits",
        ticket_actions.reassign_ticket_modal(ASSIGNED, [full]),
    )
    yield MODALS, MODERATOR, "Assign", ticket_actions.reassign_ticket_modal(UNAVAILABLE)
    yield from _bulk_changes()
    yield MODALS, MODERATOR, "Back to the queue", ticket_actions.returned_to_queue_modal()
    choices = [ticket_actions.assignee_option(one) for one in (fit, full)]
    yield MODALS, MODERATOR, "People to assign", choices
    form = edit_ticket.edit_ticket_modal(
        EditForm(
            replace(ASSIGNED, deadline=SOON),
            ("DNS", "VPN"),
            fit,
            private_tickets=PrivateTicketState(),
            now=NOW,
        )
    )
    yield MODALS, MODERATOR, "Edit", form
    of_several = EditForm(
        joined,
        ("VPN",),
        fit,
        private_tickets=PrivateTicketState(),
        now=NOW,
        participants=(DAN, CLEO),
    )
    yield MODALS, MODERATOR, "Edit, participants", edit_ticket.edit_ticket_modal(of_several)
    yield (
        MODALS,
        MODERATOR,
        "Skills of a ticket",
        edit_ticket.skill_select_options(("DNS", "VPN")),
    )
    yield MODALS, MODERATOR, "Edit, after a conflict", _conflict(form)
    yield MODALS, ADMIN, "Why?, while it is computed", explain.explanation_loading_modal()
    for title, dry_run in _dry_runs().items():
        yield MODALS, ADMIN, f"Why? {title}", explain.explanation_modal(dry_run)


def _conflict(form: dict[str, Any]) -> dict[str, Any]:
    changes = {
        "priority": Priority.LOW,
        "deadline": SOON,
        "assignedTo": CLEO.id,
        "helpfulNotes": "",
        "description": "Every hour.",
    }
    conflicts = [FieldConflict(name, BEN.id, value) for name, value in changes.items()]
    state = FormState({**form, "state": {"values": state_values(form, {})}})
    return edit_ticket.conflict_modal(
        state.filled_inputs(),
        EditConflict(conflicts, ASSIGNED, PEOPLE.users, app_name=APP_NAME),
        metadata=edit_ticket.EditMetadata(str(ASSIGNED.id), 7),
        changed_fields=frozenset(changes),
        reader_id=ADA.id,
    )


def _account_modals() -> Iterator[Row]:
    for can_link, url in ((True, APP_URL), (False, APP_URL), (True, None), (False, None)):
        form = account.link_account_modal(
            app_url=url, can_link_by_email=can_link, note=address_claim.merge_note(DAN)
        )
        title = f"Link{' by email' if can_link else ''}{'' if url else ' without APP_URL'}"
        yield MODALS, EMPLOYEE, title, form
    merge = LinkPreview("id", "d…@example.com", is_slack_address=True, previous_user=ANN,
                        open_ticket_count=0, is_merge=True, moved_role=Role.MODERATOR,
                        ends_password=True)  # fmt: skip
    other = replace(merge, is_slack_address=False, open_ticket_count=2, is_merge=False)
    for title, preview in (("Link to the older account", merge), ("Link to another", other)):
        form = account.confirm_link_modal(preview, slack_user_id="U0Ann")
        yield MODALS, EMPLOYEE, title, form
    yield MODALS, EMPLOYEE, "Linked", account.linked_modal(ANN)
    for count, by_email in ((0, True), (1, False)):
        unlink = UnlinkPreview(BEN, count, by_email)
        yield MODALS, MODERATOR, f"Unlink, {count} open", account.unlink_modal(unlink)
    yield MODALS, EMPLOYEE, "Unlinked", account.unlinked_modal(ANN)
    for reader, is_staff in ((EMPLOYEE, False), (MODERATOR, True)):
        yield MODALS, reader, "My profile", person.profile_modal(BEN, is_staff=is_staff)
    for is_own, reader, absence in (
        (True, MODERATOR, None),
        (True, MODERATOR, Absence(NO_END, AbsenceSource.SLACK)),
        (False, ADMIN, Absence(SOON, AbsenceSource.ADMIN)),
    ):
        current = Availability(
            BEN, absence, WorkHours(frozenset(range(5)), "09:00", "17:00"), has_own_hours=False,
            country="", zone="Europe/Berlin", own_zone="", open_ticket_count=2,
            business_hours=BusinessHours(country="DE", is_configured=True),
        )  # fmt: skip
        view = availability.availability_modal(current, is_own=is_own)
        yield MODALS, reader, f"Availability, {'away' if absence else 'here'}", view
    yield MODALS, MODERATOR, "Countries", availability.country_options([("DE", "Germany")])


def _admin_modals() -> Iterator[Row]:
    yield MODALS, ADMIN, "Edit person", person.person_modal(BEN, open_tickets=3)
    yield MODALS, ADMIN, "Search people", person.search_modal("be")
    yield MODALS, ADMIN, "Add moderator", person.add_moderator_modal()
    yield MODALS, ADMIN, "Add moderator: added", person.moderator_added_modal(BEN)
    yield MODALS, ADMIN, "Name", team_settings.app_name_modal(APP_NAME)
    current = CurrentSettings(APP_NAME, Targets(), BusinessHours())
    yield MODALS, ADMIN, "Channel and emoji", team_settings.slack_settings_modal(current)
    yield MODALS, ADMIN, "Add request channel", request_channels.add_channel_modal()
    for one in REQUEST_CHANNELS[:2]:
        title = "Request channel, private" if one.is_channel_private else "Request channel"
        yield MODALS, ADMIN, title, request_channels.edit_channel_modal(one)
    removal = request_channels.remove_channel_modal(REQUEST_CHANNELS[0])
    yield MODALS, ADMIN, "Remove request channel", removal
    yield (
        MODALS,
        ADMIN,
        "Due times",
        team_settings.sla_targets_modal(TargetFields.from_targets(Targets())),
    )
    hours = BusinessHoursFields.from_business_hours(BusinessHours(country="DE", subdivision="BY"))
    yield MODALS, ADMIN, "Business hours", team_settings.business_hours_modal(hours)
    for title, private_tickets in (
        ("as installed", PRIVATE_AS_INSTALLED), ("with an old backend", PRIVATE_ACCEPTED)
    ):  # fmt: skip
        modal = team_settings.private_tickets_modal(private_tickets)
        yield MODALS, ADMIN, f"Private tickets {title}", modal
    yield (
        MODALS,
        ADMIN,
        "Status words",
        team_settings.status_words_modal(StatusRules(away=("at the spa",))),
    )
    values: dict[str, tuple[Any, Any]] = {
        **dict.fromkeys(person_changes._PHRASES, (None, None)),
        AuditAction.CREATED: (None, "user"),
        account_field("role"): ("user", "moderator"),
        account_field("skills"): ([], ["VPN"]),
        account_field("capacity"): (8, 4),
        account_field("active"): (True, False),
        account_field("away"): (None, SOON),
        account_field("privateTickets"): (False, True),
    }
    authors = (COMMAND_LINE, SYSTEM, ADA.id, ObjectId("65f0c0ffee65f0c0ffee0099"))
    entries = tuple(
        AuditEntry(NOW, authors[place % 4], action, BEN.id, from_, to)
        for place, (action, (from_, to)) in enumerate(values.items())
    )
    changes = PersonChanges(BEN, entries, PEOPLE.users, APP_NAME, has_more=True)
    yield MODALS, ADMIN, "Changes", person_changes.person_changes_modal(changes)
    empty = PersonChanges(BEN, (), {}, APP_NAME, has_more=False)
    yield MODALS, ADMIN, "No changes", person_changes.person_changes_modal(empty)


def _bulk_changes() -> Iterator[Row]:
    listed = _listed(ListKind.QUEUE, UNAVAILABLE, LATE, replace(NEW, private=True))
    for action in BulkAction:
        yield (
            MODALS,
            MODERATOR,
            f"Several tickets: {action}",
            bulk_changes.bulk_form(action, listed),
        )
    assign = BulkChange(BulkAction.ASSIGN, str(CLEO.id))
    already = (RESOLVED, "The ticket is resolved.")
    review = BulkReview(assign, (UNAVAILABLE, LATE), (already,), 1, CLEO, PEOPLE, NOW)
    urgent = BulkChange(BulkAction.SET_PRIORITY, Priority.URGENT)
    done = BulkChange(BulkAction.RESOLVE)
    for title, shown in {
        "assign": review,
        "priority": replace(review, change=urgent, assignee=None, refused=(), hidden_count=0),
        "resolve": replace(
            review, change=done, assignee=None, tickets=(LATE,), refused=(), hidden_count=0
        ),
        "resolve, one in a request channel": replace(
            review,
            change=done,
            assignee=None,
            tickets=(LATE, replace(UNAVAILABLE, source=replace(SOURCE, is_conversation=True))),
            refused=(),
            hidden_count=0,
        ),
        "nothing can be changed": replace(review, tickets=()),
    }.items():
        yield MODALS, MODERATOR, f"Review: {title}", bulk_changes.bulk_review(shown)
    reviewed = tuple(map(ReviewedTicket.of, (UNAVAILABLE, LATE, RESOLVED)))
    stale = stale_message(RESOLVED)
    results = [BulkResult(12, LATE), BulkResult(12, refusal=stale)]
    for title, change, name in (
        ("assign", assign, "Cleo Vogt"), ("priority", urgent, "Urgent"), ("resolve", done, "")
    ):  # fmt: skip
        metadata = ReviewMetadata(change, name, reviewed)
        so_far = results if change is assign else results[:1] * 3
        yield MODALS, MODERATOR, f"Results: {title}", bulk_changes.bulk_results(metadata, so_far)


def _listed(kind: ListKind, *tickets: Ticket, **filters: Any) -> ListResult:
    at = ListCursor(is_backward=False, sort_key="1", ticket_id=NEW.id)
    page = ListPage(tickets, at if tickets else None, at if tickets else None)
    skills = {skill_key(skill): skill for skill in ("DNS", "VPN")}
    return ListResult(ListQuery(kind, **filters), page, PEOPLE, (BEN, CLEO), skills, NOW)


def _search() -> Iterator[Row]:
    query = SearchQuery.parse("vpn monday status:open from:ann", now=NOW)
    found = replace(WAITING, description="The *VPN* drops since Monday, every hour & day.")
    hits = tuple(Hit(one, True, find_excerpt(one, query)) for one in (ASSIGNED, found))
    following = SearchCursor(Rank.OLDER, NOW, NEW.id)
    result = SearchResult(query, hits, PEOPLE, NOW, True, following, following)
    choice = PersonChoice(SearchFilter.REQUESTER, "ann", (ANN, BEN))
    results = (
        ("Search results", result),
        ("Nothing found", replace(result, hits=(), cursor=None, next_cursor=None)),
        ("No more results", replace(result, hits=(), next_cursor=None)),
        ("Several people match", replace(result, hits=(), choice=choice)),
    )
    for title, shown in results:
        screen = Screen(search=SearchPage(query.text, shown.cursor))
        yield HOME, MODERATOR, title, overview.home_view(SearchResultsPage(screen, shown))
        yield MESSAGES, MODERATOR, title, search_results.results_message(shown)


def _home() -> Iterator[Row]:
    own, assigned = ListPage((NEW, WAITING)), ListPage((ASSIGNED, LATE))
    away = {ADA.id: replace(ADA, away_until=SOON, wants_digest=False)}
    start = HomePage(Screen(), ANN.id, own, ListPage(()), None, PEOPLE, NOW)
    more = ListCursor(is_backward=False, sort_key="1", ticket_id=NEW.id)
    pages = (
        (EMPLOYEE, "Start", start),
        (EMPLOYEE, "Start without tickets", replace(start, own=ListPage(()))),
        (EMPLOYEE, "Start, with tickets of others", replace(
            start, participating=ListPage((ASSIGNED,)))),
        (MODERATOR, "Start", replace(
            start, user_id=BEN.id, assigned=replace(assigned, next_cursor=more))),
        (ADMIN, "Start, away", replace(
            start, user_id=ADA.id, own=ListPage(()), assigned=ListPage(()), can_manage_people=True,
            people=replace(PEOPLE, users={**PEOPLE.users, **away}))),
        (ADMIN, "Start, on the first day", replace(
            start, user_id=ADA.id, own=ListPage(()), can_manage_people=True,
            setup=SetupChecklist(
                business_hours=True, moderator=False, triage_channel=False, ai_key=False))),
    )  # fmt: skip
    for reader, title, page in pages:
        yield HOME, reader, title, overview.home_view(page)
    yield (
        HOME,
        EMPLOYEE,
        "Without an account",
        overview.refusal_view("Guests cannot use this app.", app_name=APP_NAME),
    )
    yield from _search()
    lists = {
        (ListKind.OWN, EMPLOYEE): (NEW, UNAVAILABLE, WAITING, RESOLVED, CANCELLED),
        (ListKind.ASSIGNED, ASSIGNEE): (ASSIGNED, ACCEPTED, WAITING, LATE, REOPENED),
        (ListKind.QUEUE, MODERATOR): (UNAVAILABLE, ASSIGNED, ACCEPTED, LATE),
        (ListKind.WAITING_FOR_ME, ASSIGNEE): (ASSIGNED, ACCEPTED, REOPENED),
        (ListKind.UNASSIGNED, MODERATOR): (UNAVAILABLE, NEW),
        (ListKind.OVERDUE, MODERATOR): (LATE,),
    }
    for (kind, reader), tickets in lists.items():
        listed = _listed(kind, *tickets)
        yield (
            HOME,
            reader,
            f"List: {kind}",
            overview.home_view(TicketListPage(Screen(list_query=listed.list_query), listed)),
        )
        yield MESSAGES, reader, f"List: {kind}", ticket_list.list_message(listed)
        for title, empty in (
            ("empty", _listed(kind)), ("no match", _listed(kind, priority=Priority.LOW))
        ):  # fmt: skip
            yield MESSAGES, reader, f"List: {kind}, {title}", ticket_list.list_message(empty)
    yield (
        HOME,
        MODERATOR,
        "Assignees to filter by",
        ticket_list.assignee_filter_options((BEN, CLEO)),
    )
    yield HOME, MODERATOR, "Skills to filter by", ticket_list.skill_filter_options({"vpn": "VPN"})
    yield from _ticket_pages()
    search = AccountCursor("be")
    accounts = (BEN, replace(DAN, active=False, away_until=SOON, email=""))
    for title, cursor, users in (
        ("all", AccountCursor(), accounts), ("found", search, accounts[:1]), ("none", search, ())
    ):  # fmt: skip
        shown = PeoplePage(Screen(people=cursor), AccountPage(cursor, users, next=cursor),
                          {BEN.id: "U0Ben"}, NOW)  # fmt: skip
        yield HOME, ADMIN, f"People: {title}", people_list.people_page(shown)
    for title, hours, rules, named in (
        ("as installed", BusinessHours(), StatusRules(), PRIVATE_AS_INSTALLED),
        ("changed", BusinessHours(country="DE", is_configured=True),
         StatusRules(away=("at the spa", ":sailboat:"), available=("holiday season",)),
         PRIVATE_NAMED),
        ("with an old backend", BusinessHours(), StatusRules(), PRIVATE_OFF),
        ("with an old backend, all the same", BusinessHours(), StatusRules(), PRIVATE_ACCEPTED),
    ):  # fmt: skip
        values = CurrentSettings(APP_NAME, Targets(), hours)
        settings = SettingsPage(Screen(settings=True), values, rules, named, ())
        yield HOME, ADMIN, f"Settings {title}", overview.home_view(settings)
    lacking = replace(values, granted_scopes=GrantedScopes(frozenset()), triage_channel="C0TRIAGE")
    settings = replace(settings, settings=lacking, channels=REQUEST_CHANNELS)
    yield HOME, ADMIN, "Settings, without permissions in Slack", overview.home_view(settings)


def _ticket_pages() -> Iterator[Row]:
    comments = (COMMENT, FILE, replace(NOTE, edited_at=NOW), replace(COMMENT, deleted=True))
    talked = replace(LATE, events=_history(), comments=comments, deadline=SOON)
    joined = replace(RESOLVED, participants=(DAN.id, CLEO.id))
    for reader, user, ticket in (
        (EMPLOYEE, ANN, talked),
        (EMPLOYEE, ANN, RESOLVED),
        (EMPLOYEE, DAN, joined),
        (ASSIGNEE, BEN, joined),
        (ASSIGNEE, BEN, talked),
        (MODERATOR, CLEO, UNAVAILABLE),
        (ADMIN, ADA, ACCEPTED),
    ):
        is_staff = user not in (ANN, DAN)
        page = TicketPage(
            Screen(ticket_id=ticket.id),
            ticket if is_staff else for_requester(ticket),
            is_staff,
            allowed_actions(Actor.from_user(user), ticket),
            PEOPLE,
            NOW,
            can_explain=user is ADA,
            similar=_similar_tickets() if user is BEN else (),
            may_change_participants=user is not DAN,
            takes_part=user is DAN,
            is_own=user is ANN,
        )
        title = f"Ticket: {ticket.status.value.lower()}"
        title = f"{title}, with participants" if ticket.participants else title
        yield HOME, reader, title, overview.home_view(page)
        if ticket is talked:
            yield MESSAGES, reader, "Ticket", ticket_message(page)
            yield MODALS, reader, "Show all", conversation_modal(page)


def _similar_tickets() -> tuple[SimilarTicket, ...]:
    return (
        SimilarTicket(
            replace(RESOLVED, number=7, title="VPN drops at night"), str(RESOLVED.resolution)
        ),
        SimilarTicket(replace(ASSIGNED, number=9, private=True), ""),
    )


def _history() -> tuple[Event, ...]:
    """Every kind of event, and every step of an escalation."""
    changed = {"priority": Priority.HIGH, "deadline": SOON, "status": Status.IN_PROGRESS,
               "title": "VPN drops", "relatedSkills": ["VPN"]}  # fmt: skip
    made = [
        Event(0, NOW, ANN.id, kind, note="Which client?")
        for kind in EventType
        if kind not in (EventType.ASSIGNED, EventType.EDITED, EventType.STATUS_CHANGED)
        and not kind.startswith("participant")
    ]
    join, leave = EventType.PARTICIPANT_ADDED, EventType.PARTICIPANT_REMOVED
    made += [
        Event(0, NOW, by, kind, "participants", from_, to)
        for by, kind, from_, to in (
            (ANN.id, join, None, DAN.id),
            (ANN.id, join, None, CLEO.id),
            (DAN.id, join, ADA.id, DAN.id),
            (BEN.id, leave, CLEO.id, None),
            (DAN.id, leave, DAN.id, None),
        )
    ]
    made += [
        Event(0, NOW, by, EventType.ASSIGNED, None, None, to, note="knows VPN")
        for by, to in (("system", BEN.id), (BEN.id, BEN.id), (CLEO.id, BEN.id))
    ]
    made += [
        Event(0, NOW, CLEO.id, EventType.EDITED, name, None, to) for name, to in changed.items()
    ]
    made += [
        Event(0, NOW, "system", "reminded", NEXT_STEP_FIELD, None, step) for step in STEP_RULES
    ]
    return tuple(replace(event, seq=seq) for seq, event in enumerate(made, 1))[-40:]


def _dry_runs() -> dict[str, DryRun]:
    def score(user: User, exclusion: Any = None, **fields: Any) -> CandidateScore:
        candidate = Candidate(user.id, user.role, user.skills, 1, 8, **fields)
        return CandidateScore(
            candidate, 0.75, PARTS, "knows VPN · 2 of 8 tickets with this one", exclusion
        )

    reasons = [Obstacle.AWAY, *Obstacle, *CandidateExclusion]
    excluded = [score(CLEO, why) for why in reasons[1:]]
    excluded.append(score(ADA, Obstacle.AWAY, away_until=SOON))
    analysis = {"source": "gemini", "model": "gemini-x", "confidence": 0.9, "at": NOW}
    ticket = replace(ASSIGNED, assignment={**ASSIGNED.assignment, "analysis": analysis})
    corrections = (
        Correction(NOW, BEN.id, None, frozenset(), BEN.id, CorrectionKind.NOT_MINE),
        Correction(NOW, None, BEN.id, frozenset(), CLEO.id),
        Correction(NOW, CLEO.id, None, frozenset(), ADA.id),
        Correction(NOW, CLEO.id, BEN.id, frozenset(), ADA.id),
    )
    last = LastAssignment(
        BEN.id, "system", NOW, "knows VPN · 2 of 8 tickets with this one", 0.75, PARTS
    )
    run = DryRun(
        ticket, is_analysed=True, was_analysed=True, has_secrets=True,
        explanation=Explanation((score(BEN),), tuple(excluded)), last_assignment=last,
        corrections=corrections, people=PEOPLE, now=NOW, more_eligible=2, more_excluded=3,
    )  # fmt: skip
    bare = replace(run, is_analysed=False, explanation=Explanation((), ()), corrections=(),
                   has_secrets=False, last_assignment=None)  # fmt: skip
    queued = replace(UNAVAILABLE, assignment={"next": SOON})
    return {
        "assigned": run,
        "taken": replace(run, last_assignment=replace(last, by=BEN.id, score=None, parts={})),
        "given": replace(run, last_assignment=replace(last, by=CLEO.id, score=None, parts={})),
        "no one is available": replace(bare, ticket=queued),
        "new": replace(bare, ticket=NEW, was_analysed=False),
        "resolved": replace(bare, ticket=RESOLVED),
    }


def _emails() -> Iterator[Row]:
    values = {
        EmailKind.WELCOME: {"confirmation_path": confirmation_path("CODE")},
        EmailKind.CONFIRM: {"confirmation_path": confirmation_path("CODE")},
        EmailKind.RESET: {"reset_path": reset_path("CODE")},
        EmailKind.LINKED: compose.link_values("Ann"),
        EmailKind.UNLINKED: compose.link_values(""),
        EmailKind.ASSIGNED: compose.assignment_values(
            ASSIGNED, requester="Ann", reason="knows VPN · 2 of 8 tickets with this one"
        ),
    }
    sender = compose.parse_address("helpdesk@example.com")
    private = compose.assignment_values(replace(ASSIGNED, private=True), requester="", reason="")
    content = compose.render(EmailKind.ASSIGNED, BEN, app_name=APP_NAME, app_url=APP_URL, **private)
    mail = compose.build_email(content, sender=sender, recipient=sender, message_id="1", now=NOW)
    yield EMAILS, ASSIGNEE, "assigned, private", mail
    for kind in EmailKind:
        content = compose.render(
            kind, ANN, app_name=APP_NAME, app_url=APP_URL, **values.get(kind, {})
        )
        mail = compose.build_email(
            content, sender=sender, recipient=sender, message_id="1", now=NOW
        )
        yield EMAILS, ASSIGNEE if kind is EmailKind.ASSIGNED else EMPLOYEE, kind.value, mail


def _terminal() -> Iterator[Row]:
    for title, dry_run in _dry_runs().items():
        yield TERMINAL, ADMIN, f"app.py explain: {title}", explanation_lines(dry_run)
