"""Edits of a ticket's fields, by a form or by a program.

A form's edit names the `seq` of the ticket that its author read. Changes by others since then stay,
unless the edit changes the same field. If it does, `EditConflict` says who changed what; having
read that (`acknowledged`), the author may submit the edit again.

A program's edit (`patch`) changes the ticket as it is now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bson import ObjectId

from services.accounts.users import UserService
from services.analysis.analysis_store import skill_sources
from services.analysis.model_exchange import NO_SOURCES
from services.assignment.assignment_service import AssignmentService, not_chosen
from services.assignment.candidate_pool import without_ticket
from services.assignment.feedback import correction_scores
from services.assignment.ranking import AssigneeOption, rank_options
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import Conflict, InvalidValue, NotAllowedInState
from services.core.optimistic_retry import retry_on_conflict
from services.core.text import strip_invisible
from services.linking.links import LinkService
from services.models.events import Event, EventType, NewEvent
from services.models.permissions import Actor, Permission, require_permission
from services.models.ticket import Status, Ticket
from services.models.user import User
from services.team_settings.app_name import app_name
from services.team_settings.private_tickets import (
    PrivateTicketState,
    cached_state,
    prepare_for_private_ticket,
)
from services.tickets import ticket_store, transitions
from services.tickets.access import require_visible, visible_to
from services.tickets.fields import EDITABLE_FIELDS, current_value, is_equal, validate_field
from services.tickets.lifecycle import (
    TicketAction,
    check_allowed,
    check_assignee,
    check_requester,
    check_transition,
    describe_state,
)
from services.tickets.queries import load_ticket
from services.tickets.transitions import Change, with_change
from services.tickets.validation import NO_REQUESTER, checked_question, checked_resolution

MESSAGE_NOT_ALLOWED = (
    "This goes out with the status Resolved or Waiting. For anything else, add a comment."
)
NO_OWN_TICKET = "This person becomes the requester. Choose someone else to work on it."
# These change the ticket as the buttons do, not only their own field.
_ACTION_FIELDS = ("status", "assignedTo", "createdBy")
PLAIN_FIELDS = [field for field in EDITABLE_FIELDS if field not in _ACTION_FIELDS]
# `message` is for the requester: what was done, or a question.
UPDATABLE_FIELDS = frozenset({*EDITABLE_FIELDS, "message"})
# A change of these may make it possible to assign a ticket that is queued as unassigned.
_ROUTING_FIELDS = frozenset({"title", "description", "relatedSkills"})
# The question if a program sets only the status.
DEFAULT_QUESTION = "We need more information. Please write a comment."


@dataclass(frozen=True, slots=True)
class FieldConflict:
    """A field that another user has changed; `value` is its current value."""

    field: str
    by: ObjectId | str
    value: Any


class EditConflict(Conflict):
    """Other users changed the same fields. `ticket` is the current one, `people` are by id;
    `app_name` is who changed a field if no person did."""

    def __init__(
        self,
        conflicts: Sequence[FieldConflict],
        ticket: Ticket,
        people: Mapping[ObjectId, User],
        *,
        app_name: str,
    ) -> None:
        super().__init__("Someone else has changed the same fields. Look at them, then decide.")
        self.conflicts = tuple(conflicts)
        self.ticket = ticket
        self.people = people
        self.app_name = app_name


@dataclass(frozen=True, slots=True)
class EditForm:
    """Initial values of the form to edit a ticket. `private_tickets` says if it can be private, and
    `participants` who would see it then; `requester_slack_id` is "" if the requester is not in
    Slack."""

    ticket: Ticket
    team_skills: tuple[str, ...]
    assignee_option: AssigneeOption | None
    requester_slack_id: str = ""
    private_tickets: PrivateTicketState | None = None
    now: datetime | None = None
    participants: tuple[User, ...] = ()


class TicketEdits:
    def __init__(
        self, db: Mongo, users: UserService, links: LinkService, *, clock: Clock = utcnow
    ) -> None:
        self._db = db
        self._users = users
        self._links = links
        self._assignments = AssignmentService(db, links)
        self._clock = clock

    def get_form(self, *, actor: Actor, team_id: str, ticket_id: str) -> EditForm:
        """Return what the form shows. Raises `NotFound`, `PermissionDenied`."""
        ticket = self._editable(actor, ticket_id)
        options = self._options(team_id, ticket) if ticket.assigned_to else []
        assignee = (option for option in options if option.user.id == ticket.assigned_to)
        requester = ticket.created_by
        linked = self._links.slack_ids(
            team_id=team_id, user_ids={requester} if requester else set()
        )
        return EditForm(
            ticket=ticket,
            team_skills=tuple(self._users.team_skills()),
            assignee_option=next(assignee, None),
            requester_slack_id=next(iter(linked.values()), ""),
            private_tickets=cached_state(self._db),
            now=self._clock(),
            participants=self._participants(ticket),
        )

    def _participants(self, ticket: Ticket) -> tuple[User, ...]:
        people = self._users.get_many(set(ticket.participants)) if ticket.participants else {}
        return tuple(people[one] for one in ticket.participants if one in people)

    def assignee_options(
        self, *, actor: Actor, team_id: str, ticket_id: str | None = None, query: str = ""
    ) -> list[AssigneeOption]:
        """Return the users a ticket may be assigned to, the best match first; without a ticket that
        the actor may see, the least loaded first."""
        require_permission(actor, Permission.WORK_ON_TICKETS)
        ticket = load_ticket(self._db, ticket_id) if ticket_id else None
        is_seen = ticket is not None and visible_to(actor).covers_as_staff(ticket)
        return self._options(team_id, ticket if is_seen else None, query)

    def team_skills(self, *, actor: Actor, query: str = "") -> list[str]:
        """Return the team's skills that contain the query, ignoring case."""
        require_permission(actor, Permission.WORK_ON_TICKETS)
        wanted = " ".join(query.split()).casefold()
        return [skill for skill in self._users.team_skills() if wanted in skill.casefold()]

    def update(
        self,
        *,
        actor: Actor,
        ticket_id: str,
        expected_seq: int,
        changes: Mapping[str, Any],
        acknowledged: Mapping[str, int] | None = None,
    ) -> Ticket:
        """Store the `changes`, by field, in one update with an event for each field.

        `acknowledged` says, by field, up to which seq the author knows others' changes, if later
        than `expected_seq`. A status or an assignee changes the ticket as the buttons do; an
        `assignedTo` of None unassigns it. An equal value is no change. Raises `InvalidValue`,
        `EditConflict`, `NotFound`, `PermissionDenied`, `Conflict`.
        """
        require_permission(actor, Permission.WORK_ON_TICKETS)
        for unknown in sorted(changes.keys() - UPDATABLE_FIELDS):
            raise InvalidValue(unknown, "A ticket has no such field.")

        def attempt() -> Ticket | None:
            ticket = self._editable(actor, ticket_id)
            edit = self._changed_values(ticket, changes)
            conflicts = find_conflicts(
                ticket, edit, expected_seq=expected_seq, acknowledged=acknowledged or {}
            )
            if conflicts:
                raise EditConflict(
                    conflicts, ticket, self._people_in(conflicts), app_name=app_name(self._db)
                )
            change = self._build_change(actor, ticket, edit, changes.get("message"))
            if not change.events:
                return ticket
            return ticket_store.apply(self._db, ticket, change, now=self._clock())

        return retry_on_conflict(attempt)

    def patch(self, *, actor: Actor, ticket_id: str, changes: Mapping[str, Any]) -> Ticket:
        """Update the ticket as it is now: of two concurrent changes of a field the later counts.

        A status alone is enough: the message gets a default, and an actor who puts an unassigned
        ticket in progress becomes its assignee. Raises as `update`, but no `EditConflict`;
        `NotFound` comes before `PermissionDenied`, because requesters know of their own tickets.
        """

        def attempt() -> Ticket | None:
            ticket = require_visible(actor, load_ticket(self._db, ticket_id))
            try:
                return self.update(
                    actor=actor,
                    ticket_id=ticket_id,
                    expected_seq=ticket.seq,
                    changes=_with_defaults(actor, ticket, changes),
                )
            except EditConflict:  # changed since it was read
                return None

        return retry_on_conflict(attempt)

    def _editable(self, actor: Actor, ticket_id: str) -> Ticket:
        require_permission(actor, Permission.WORK_ON_TICKETS)
        ticket = require_visible(actor, load_ticket(self._db, ticket_id))
        check_allowed(actor, ticket, TicketAction.UPDATE)
        return ticket

    def _options(
        self, team_id: str, ticket: Ticket | None, query: str = ""
    ) -> list[AssigneeOption]:
        now = self._clock()
        candidates = self._assignments.candidates(team_id=team_id, now=now)
        if ticket:
            candidates = without_ticket(candidates, ticket, now=now)
        skills = ticket.related_skills if ticket else ()
        return rank_options(
            candidates=candidates,
            users=self._users.get_many({candidate.user_id for candidate in candidates}),
            skills=skills,
            requester=ticket.created_by if ticket else None,
            now=now,
            declined=not_chosen(ticket) if ticket else frozenset(),
            corrections=correction_scores(self._db, skills=skills, now=now),
            sources=skill_sources(ticket) if ticket else NO_SOURCES,
            query=query,
        )

    def _changed_values(self, ticket: Ticket, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the new values of the fields that differ, as they are stored."""
        skills = self._users.team_skills() if "relatedSkills" in changes else ()
        edit: dict[str, Any] = {}
        for field in (*PLAIN_FIELDS, *_ACTION_FIELDS):
            old = current_value(ticket, field)
            if field not in changes or changes[field] == old:
                continue
            new = validate_field(
                field, changes[field], ticket=ticket, team_skills=skills, now=self._clock()
            )
            if not is_equal(new, old):
                edit[field] = new
        return edit

    def _build_change(
        self, actor: Actor, ticket: Ticket, edit: Mapping[str, Any], message: Any
    ) -> Change:
        by, plain = actor.user_id, [field for field in PLAIN_FIELDS if field in edit]
        is_made_private = "private" in plain
        if is_made_private:
            plain.remove("private")
        assignee_id = edit.get("assignedTo")
        check_assignee(ticket, assignee_id)
        if assignee_id and not self._users.can_work_on_tickets(assignee_id):
            raise InvalidValue("assignedTo", "Choose a moderator or an admin who is still active.")
        requester = edit.get("createdBy")
        if requester and not self._is_active(requester):
            raise InvalidValue("createdBy", NO_REQUESTER)
        if requester:
            check_requester(ticket, requester)
            if requester == assignee_id:
                raise InvalidValue("assignedTo", NO_OWN_TICKET)
        change = Change(
            values={field: edit[field] for field in plain},
            events=tuple(
                NewEvent(
                    EventType.EDITED,
                    by=by,
                    field=field,
                    from_=current_value(ticket, field),
                    to=edit[field],
                )
                for field in plain
            ),
            remove=("assignment.next",) if _ROUTING_FIELDS.intersection(plain) else (),
        )
        keep_assignee = self._users.can_work_on_tickets(ticket.assigned_to)
        status_change = build_status_change(
            by,
            ticket,
            edit,
            message=str(message or ""),
            keep_assignee=keep_assignee,
            now=self._clock(),
        )
        change = change.then(status_change)
        if requester:
            change = change.then(
                transitions.change_requester(by, with_change(ticket, change), requester)
            )
        if is_made_private:
            change = change.then(self._make_private(by, with_change(ticket, change)))
        return change

    def _is_active(self, user_id: ObjectId) -> bool:
        user = self._users.get(user_id)
        return user is not None and user.active

    def _make_private(self, by: ObjectId, ticket: Ticket) -> Change:
        """Raises `InvalidValue` if there can be no private tickets now."""
        prepare_for_private_ticket(self._db, now=self._clock())
        acted = (
            {by}
            | {event.by for event in ticket.events}
            | {comment.by for comment in ticket.comments}
        )
        acted |= {event.to for event in ticket.events if event.type == EventType.ASSIGNED}
        users = self._users.get_many({who for who in acted if isinstance(who, ObjectId)})
        after = replace(ticket, private=True)
        blind = [
            user.id
            for user in users.values()
            if visible_to(Actor.from_user(user)).covers(ticket)
            and not visible_to(Actor.from_user(user)).covers(after)
        ]
        return transitions.make_private(by, seen_by=blind)

    def _people_in(self, conflicts: Sequence[FieldConflict]) -> dict[ObjectId, User]:
        named = [value for conflict in conflicts for value in (conflict.by, conflict.value)]
        return self._users.get_many({name for name in named if isinstance(name, ObjectId)})


def _with_defaults(actor: Actor, ticket: Ticket, changes: Mapping[str, Any]) -> dict[str, Any]:
    filled, status = dict(changes), changes.get("status")
    if status == ticket.status:
        return filled
    if status == Status.WAITING:
        filled.setdefault("message", DEFAULT_QUESTION)
    is_unassigned = ticket.status in (Status.TODO, Status.REOPENED) and ticket.assigned_to is None
    if status == Status.IN_PROGRESS and is_unassigned:
        filled.setdefault("assignedTo", actor.user_id)
    return filled


def find_conflicts(
    ticket: Ticket, edit: Mapping[str, Any], *, expected_seq: int, acknowledged: Mapping[str, int]
) -> list[FieldConflict]:
    """Return the fields of the edit that other users changed after its author read them."""
    last: dict[str, Event] = {}
    for event in ticket.events:
        for field in _changed_fields(event, ticket):
            if event.seq > max(expected_seq, acknowledged.get(field, 0)):
                last[field] = event
    return [
        FieldConflict(field, by=last[field].by, value=current_value(ticket, field))
        for field in edit
        if field in last
    ]


def _changed_fields(event: Event, ticket: Ticket) -> tuple[str, ...]:
    """Return the form fields that an event changed."""
    if event.type in (EventType.UNASSIGNED, EventType.REOPENED):
        return "status", "assignedTo"
    if event.type == EventType.ANALYSED:
        return _analysed_fields(ticket)
    return (event.field,) if event.field else ()


def _analysed_fields(ticket: Ticket) -> tuple[str, ...]:
    """Return what an analysis changed: not a priority that a user chose, nor edited fields."""
    edited = {event.field for event in ticket.events if event.type == EventType.EDITED}
    has_priority = (ticket.assignment.get("analysis") or {}).get("priority") is not None
    found = ("priority",) if has_priority else ()
    return (*found, *(field for field in ("relatedSkills", "helpfulNotes") if field not in edited))


def build_status_change(
    by: ObjectId,
    ticket: Ticket,
    edit: Mapping[str, Any],
    *,
    message: str,
    keep_assignee: bool,
    now: datetime,
) -> Change:
    """Return the change for the `status` and `assignedTo` in `edit`, if it has them.

    `message` is for the requester; `keep_assignee`: the assignee still works on tickets. Raises
    `NotAllowedInState` if the status table does not allow it, and `InvalidValue`.
    """
    status = Status(edit["status"]) if "status" in edit else None
    if status not in (Status.COMPLETED, Status.WAITING) and not _is_already_sent(
        by, ticket, message
    ):
        raise InvalidValue("message", MESSAGE_NOT_ALLOWED)
    change = Change()
    if status is Status.REOPENED:
        _check_transition(ticket, status)
        change = transitions.reopen(by, ticket, keep_assignee=keep_assignee, now=now)
        status = None
    if "assignedTo" in edit:
        updated = with_change(ticket, change)
        change = change.then(_assignee_change(by, updated, edit["assignedTo"], status, now))
    if status:
        change = change.then(
            _status_transition(by, with_change(ticket, change), status, message, now)
        )
    return change


def _is_already_sent(by: ObjectId, ticket: Ticket, message: str) -> bool:
    """Return whether there is no message, or a first submission of this form has sent it."""
    notes = [event.note for event in ticket.events if event.by == by]
    return not message.strip() or strip_invisible(message).strip() in notes


def _assignee_change(
    by: ObjectId, ticket: Ticket, assignee: ObjectId | None, status: Status | None, now: datetime
) -> Change:
    if assignee == ticket.assigned_to:
        return Change()
    if ticket.status is Status.COMPLETED:
        sentence = f"Reopen it before you change who has it: {describe_state(ticket)}."
        raise NotAllowedInState("assignedTo", sentence)
    if assignee is None:
        if ticket.status is Status.WAITING:
            raise NotAllowedInState(
                "assignedTo", f"Choose someone to give it to: {describe_state(ticket)}."
            )
        return transitions.unassign(by, ticket, reason="")
    if status is Status.TODO:
        raise InvalidValue("status", "An assigned ticket cannot be open. Choose In progress.")
    return transitions.assign(by, ticket, assignee, reason="", now=now)


def _status_transition(
    by: ObjectId, ticket: Ticket, status: Status, message: str, now: datetime
) -> Change:
    if status is ticket.status:  # the change of the assignee has led there
        return Change()
    if status is Status.IN_PROGRESS and ticket.assigned_to is None:
        raise InvalidValue("assignedTo", "Choose who works on it.")
    _check_transition(ticket, status)
    if status is Status.IN_PROGRESS:
        return transitions.resume(by, ticket)
    if status is Status.TODO:
        return transitions.unassign(by, ticket, reason="")
    if status is Status.WAITING:
        question = checked_question(message, field="message")
        return transitions.ask_requester(by, ticket, question=question, now=now)
    note = checked_resolution(message, field="message")
    return transitions.complete(by, ticket, EventType.RESOLVED, resolution=note, now=now, note=note)


def _check_transition(ticket: Ticket, status: Status) -> None:
    try:
        check_transition(ticket, status)
    except Conflict as error:
        raise NotAllowedInState("status", str(error)) from None
