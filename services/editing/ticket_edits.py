"""Edits of a ticket's fields, by a form or by a program.

A form's edit names the `seq` of the ticket that its author read. Changes by others since then stay,
unless the edit changes the same field. If it does, `EditConflict` says who changed what; having
read that (`acknowledged`), the author may submit the edit again.

A program's edit (`patch`) changes the ticket as it is now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from bson import ObjectId

from services.accounts.users import UserService
from services.assignment.assignee_options import AssigneeOption, rank_options
from services.assignment.assignment_service import AssignmentService, declined_by
from services.assignment.feedback import correction_scores
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.core.errors import InvalidValue
from services.core.optimistic_retry import retry_on_conflict
from services.editing.conflicts import EditConflict, FieldConflict, find_conflicts
from services.editing.editable_fields import PLAIN_FIELDS, current_value, is_equal, validate_field
from services.editing.status_change import build_status_change
from services.linking.links import LinkService
from services.models.events import EventType, NewEvent
from services.models.permissions import Actor, Permission, require_permission, require_visible
from services.models.ticket import Status, Ticket
from services.models.user import User
from services.tickets import ticket_store
from services.tickets.lifecycle import TicketAction, check_allowed
from services.tickets.queries import load_ticket
from services.tickets.transitions import Change

NONE_ACKNOWLEDGED: Mapping[str, int] = MappingProxyType({})
# `message` is for the requester: what was done (Resolved), or a question (Waiting).
UPDATABLE_FIELDS = frozenset({*PLAIN_FIELDS, "status", "assignedTo", "message"})
# A change of these may give a queued ticket an assignee.
_ROUTING_FIELDS = frozenset({"title", "description", "relatedSkills"})
# The message if a program sets only the status.
DEFAULT_MESSAGES = {
    Status.COMPLETED: "Marked as completed.",
    Status.WAITING: "The help desk needs to know more. Please write a comment.",
}


@dataclass(frozen=True, slots=True)
class EditForm:
    """Initial values of the form to edit a ticket."""

    ticket: Ticket
    team_skills: tuple[str, ...]
    assignee_option: AssigneeOption | None


class TicketEdits:
    def __init__(
        self, db: Mongo, users: UserService, links: LinkService, *, clock: Clock = utcnow
    ) -> None:
        self._db = db
        self._users = users
        self._assignments = AssignmentService(db, links)
        self._clock = clock

    def get_form(self, *, actor: Actor, team_id: str, ticket_id: str) -> EditForm:
        """Return what the form shows. Raises `NotFound`, `PermissionDenied`."""
        ticket = self._editable(actor, ticket_id)
        options = self._options(team_id, ticket) if ticket.assigned_to else []
        assignee = (option for option in options if option.user.id == ticket.assigned_to)
        return EditForm(
            ticket=ticket,
            team_skills=tuple(self._users.team_skills()),
            assignee_option=next(assignee, None),
        )

    def assignee_options(
        self, *, actor: Actor, team_id: str, ticket_id: str | None = None, query: str = ""
    ) -> list[AssigneeOption]:
        """Return the users a ticket may be assigned to, the best match first; without a ticket,
        the least loaded first."""
        require_permission(actor, Permission.WORK_ON_TICKETS)
        return self._options(
            team_id, load_ticket(self._db, ticket_id) if ticket_id else None, query
        )

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
        acknowledged: Mapping[str, int] = NONE_ACKNOWLEDGED,
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
                ticket, edit, expected_seq=expected_seq, acknowledged=acknowledged
            )
            if conflicts:
                raise EditConflict(conflicts, ticket, self._people_in(conflicts))
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
        skills = ticket.related_skills if ticket else ()
        return rank_options(
            candidates=candidates,
            users=self._users.get_many({candidate.user_id for candidate in candidates}),
            skills=skills,
            requester=ticket.created_by if ticket else None,
            now=now,
            declined=declined_by(ticket) if ticket else frozenset(),
            corrections=correction_scores(self._db, skills=skills, now=now),
            query=query,
        )

    def _changed_values(self, ticket: Ticket, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the new values of the fields that differ, as they are stored."""
        skills = self._users.team_skills() if "relatedSkills" in changes else ()
        edit: dict[str, Any] = {}
        for field in (*PLAIN_FIELDS, "status", "assignedTo"):
            old = current_value(ticket, field)
            if field not in changes or changes[field] == old:
                continue
            new = validate_field(
                field, changes[field], ticket=ticket, team_skills=skills, now=self._clock()
            )
            if not is_equal(field, new, old):
                edit[field] = new
        return edit

    def _build_change(
        self, actor: Actor, ticket: Ticket, edit: Mapping[str, Any], message: Any
    ) -> Change:
        by, plain = actor.user_id, [field for field in PLAIN_FIELDS if field in edit]
        assignee_id = edit.get("assignedTo")
        if assignee_id and not self._users.can_work_on_tickets(assignee_id):
            raise InvalidValue("assignedTo", "Choose a moderator or an admin who is still active.")
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
        return change.then(status_change)

    def _people_in(self, conflicts: Sequence[FieldConflict]) -> dict[ObjectId, User]:
        named = [value for conflict in conflicts for value in (conflict.by, conflict.value)]
        return self._users.get_many({name for name in named if isinstance(name, ObjectId)})


def _with_defaults(actor: Actor, ticket: Ticket, changes: Mapping[str, Any]) -> dict[str, Any]:
    filled, status = dict(changes), changes.get("status")
    if status == ticket.status:
        return filled
    if status in DEFAULT_MESSAGES:
        filled.setdefault("message", DEFAULT_MESSAGES[Status(status)])
    is_unassigned = ticket.status in (Status.TODO, Status.REOPENED) and ticket.assigned_to is None
    if status == Status.IN_PROGRESS and is_unassigned:
        filled.setdefault("assignedTo", actor.user_id)
    return filled
