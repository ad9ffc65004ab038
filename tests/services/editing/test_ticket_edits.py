"""Edits of a ticket: each field, concurrent edits, and what stays unchanged."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import given, settings
from hypothesis import strategies as st

from services.assignment.candidate import Obstacle
from services.core.database import Mongo
from services.core.errors import Conflict, InvalidValue, NotFound, PermissionDenied
from services.core.optimistic_retry import BUSY
from services.editing.ticket_edits import EditConflict, TicketEdits, build_status_change
from services.models.events import Event, EventType
from services.models.permissions import Actor
from services.models.ticket import Priority, Status, Ticket
from services.models.user import Role, User
from services.tickets.actions import TicketActions
from services.tickets.filing import TicketService
from services.tickets.lifecycle import STATUS_TRANSITIONS
from services.tickets.transitions import Change, with_change
from tests.conftest import FixedClock, People, at_once, file_ticket, reload, sample_ticket
from tests.support.slack_workspace import TEAM_ID


@pytest.fixture
def moderator(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN", "DNS")


@pytest.fixture
def ticket(tickets: TicketService, people: People, moderator: User) -> Ticket:
    return file_ticket(tickets, people.add(), title="VPN drops", description="Hourly.")


class Editor:
    """One user's edits of one ticket, read just before the edit unless `seen` says otherwise."""

    def __init__(self, ticket_edits: TicketEdits, db: Mongo, ticket: Ticket, user: User) -> None:
        self._edits, self._db, self._id = ticket_edits, db, ticket.id
        self.actor = Actor.from_user(user)

    def __call__(self, *, seen: Any = None, told: Any = None, **changes: Any) -> Ticket:
        now = self._db.tickets.find_one({"_id": self._id}) or {}
        return self._edits.update(
            actor=self.actor,
            ticket_id=str(self._id),
            expected_seq=now.get("seq", 0) if seen is None else seen,
            changes=changes,
            acknowledged=told or {},
        )


@pytest.fixture
def update(ticket_edits: TicketEdits, db: Mongo, ticket: Ticket, moderator: User) -> Editor:
    return Editor(ticket_edits, db, ticket, moderator)


def kinds(ticket: Ticket) -> list[str]:
    return [event.type for event in ticket.events]


# Each field


def test_every_plain_field_is_set_with_an_event_each(
    update: Editor, clock: FixedClock, moderator: User
) -> None:
    due = clock() + timedelta(days=2)
    done = update(
        title="VPN down",
        description="For good.",
        priority="urgent",
        deadline=due,
        relatedSkills=["dns"],
        helpfulNotes="Restart it.",
    )
    assert (done.title, done.description, done.priority) == ("VPN down", "For good.", "urgent")
    assert (done.deadline, done.related_skills) == (due, ("DNS",))
    assert (done.helpful_notes, done.seq) == ("Restart it.", 7)
    assert [(e.type, e.field, e.from_, e.to) for e in done.events[1:]] == [
        ("edited", "title", "VPN drops", "VPN down"),
        ("edited", "description", "Hourly.", "For good."),
        ("edited", "priority", None, "urgent"),
        ("edited", "deadline", None, due),
        ("edited", "relatedSkills", [], ["DNS"]),
        ("edited", "helpfulNotes", None, "Restart it."),
    ]
    assert {event.by for event in done.events[1:]} == {moderator.id}
    assert done.is_in_outbox


def test_what_may_be_empty_is_cleared(update: Editor, clock: FixedClock) -> None:
    update(
        priority="high",
        deadline=clock() + timedelta(days=2),
        relatedSkills=["VPN"],
        helpfulNotes="Look.",
    )
    done = update(priority=None, deadline=None, relatedSkills=[], helpfulNotes="")
    assert (done.priority, done.deadline) == (None, None)
    assert (done.related_skills, done.helpful_notes) == ((), None)
    assert [event.to for event in done.events[-4:]] == [None, None, [], None]


@pytest.mark.parametrize("field", ["title", "description"])
def test_what_may_not_be_empty_stays(update: Editor, field: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        update(**{field: ""})
    assert refused.value.field == field


def test_one_bad_field_keeps_all_from_being_stored(
    update: Editor, db: Mongo, ticket: Ticket
) -> None:
    with pytest.raises(InvalidValue):
        update(title="Fine", priority="asap")
    assert reload(db, ticket) == ticket


def test_what_is_as_it_was_is_no_change(update: Editor, ticket: Ticket) -> None:
    assert update(title=" VPN  drops", priority=None, status="TODO", assignedTo=None) == ticket


def test_a_deadline_that_has_passed_may_stay_but_not_be_set(
    update: Editor, clock: FixedClock
) -> None:
    due = clock() + timedelta(hours=1)
    update(deadline=due)
    clock.advance(days=1)
    assert update(deadline=due, title="VPN down").deadline == due
    with pytest.raises(InvalidValue, match="has to lie in the future"):
        update(deadline=due + timedelta(minutes=1))


def test_an_unknown_field_is_refused(update: Editor) -> None:
    with pytest.raises(InvalidValue) as refused:
        update(summary="me")
    assert (refused.value.field, str(refused.value)) == ("summary", "A ticket has no such field.")


# Status and assignee


def test_an_assignee_is_set_as_by_reassigning(
    update: Editor, people: People, db: Mongo, moderator: User
) -> None:
    ben = people.add(Role.MODERATOR)
    done = update(assignedTo=str(ben.id), title="VPN down")
    assert (done.assigned_to, done.status) == (ben.id, Status.IN_PROGRESS)
    assert kinds(done)[1:] == ["edited", "assigned", "status_changed"]
    assert done.assignment["source"] == "manual"
    again = update(assignedTo=None)
    assert (again.assigned_to, again.status) == (None, Status.TODO)
    assert kinds(again)[-1] == "handed_back"


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_who_cannot_work_on_it_is_not_given_it(update: Editor, people: People, role: Role) -> None:
    away = people.add(role, active=role is Role.USER)
    with pytest.raises(InvalidValue, match="Choose a moderator or an admin who is still active"):
        update(assignedTo=str(away.id))
    with pytest.raises(InvalidValue, match="Choose a moderator or an admin who is still active"):
        update(assignedTo="6b0368971218f597fece92d1")


def test_resolving_retries_unassigned_tickets(
    update: Editor, tickets: TicketService, people: People, db: Mongo, clock: FixedClock
) -> None:
    update(assignedTo=str(update.actor.user_id))
    unassigned = file_ticket(tickets, people.add())
    db.tickets.update_one({"_id": unassigned.id}, {"$set": {"assignment.next": clock()}})
    done = update(status="COMPLETED", message="Renewed it.")
    assert (done.status, done.resolution) == (Status.COMPLETED, "Renewed it.")
    assert "next" not in reload(db, unassigned).assignment


def test_other_words_or_skills_are_tried_again_at_once(
    update: Editor, db: Mongo, ticket: Ticket, clock: FixedClock
) -> None:
    for changes in ({"title": "DNS down"}, {"relatedSkills": ["DNS"]}):
        db.tickets.update_one({"_id": ticket.id}, {"$set": {"assignment.next": clock()}})
        assert "next" not in update(**changes).assignment
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"assignment.next": clock()}})
    assert "next" in update(priority="low").assignment


def test_a_reopened_ticket_whose_assignee_has_left_is_nobody_s(
    update: Editor, people: People, db: Mongo
) -> None:
    ben = people.add(Role.MODERATOR)
    update(assignedTo=str(ben.id), status="COMPLETED", message="Done.")
    db.users.update_one({"_id": ben.id}, {"$set": {"active": False}})
    done = update(status="REOPENED")
    assert (done.status, done.assigned_to, done.resolution) == (Status.REOPENED, None, None)


# Concurrent edits


@pytest.fixture
def other(ticket_edits: TicketEdits, db: Mongo, ticket: Ticket, people: People) -> Editor:
    return Editor(ticket_edits, db, ticket, people.add(Role.ADMIN))


def clashing(update: Editor, **changes: Any) -> EditConflict:
    with pytest.raises(EditConflict) as found:
        update(**changes)
    return found.value


def test_what_two_people_change_of_different_fields_is_merged(
    update: Editor, other: Editor, ticket: Ticket
) -> None:
    other(priority="high")
    done = update(seen=ticket.seq, title="VPN down")
    assert (done.title, done.priority) == ("VPN down", "high")


def test_of_the_same_field_the_second_is_told_and_nothing_is_stored(
    update: Editor, other: Editor, ticket: Ticket, db: Mongo
) -> None:
    now = other(priority="high", title="VPN dead")
    found = clashing(update, seen=ticket.seq, title="VPN down", description="New")
    told = {clash.field: (clash.by, clash.value) for clash in found.conflicts}
    assert told == {"title": (other.actor.user_id, "VPN dead")}
    assert found.people[other.actor.user_id].role is Role.ADMIN
    assert reload(db, ticket) == now


def test_having_been_told_the_second_may_send_it_again(
    update: Editor, other: Editor, ticket: Ticket
) -> None:
    now = other(priority="high")
    again = {"seen": ticket.seq, "priority": "low"}
    clashing(update, **again)
    assert update(**again, told={"priority": now.seq}).priority == "low"


def test_but_not_over_what_was_changed_after_that(
    update: Editor, other: Editor, ticket: Ticket
) -> None:
    now = other(priority="high")
    other(priority="urgent")
    found = clashing(update, seen=ticket.seq, priority="low", told={"priority": now.seq})
    assert [clash.value for clash in found.conflicts] == ["urgent"]


def test_being_told_of_one_field_says_nothing_of_another(
    update: Editor, other: Editor, ticket: Ticket
) -> None:
    now = other(priority="high", title="VPN dead")
    found = clashing(
        update, seen=ticket.seq, priority="low", title="VPN down", told={"priority": now.seq}
    )
    assert [clash.field for clash in found.conflicts] == ["title"]


def test_wanting_the_same_is_no_clash(update: Editor, other: Editor, ticket: Ticket) -> None:
    now = other(priority="high")
    assert update(seen=ticket.seq, priority="high") == now


def test_an_action_of_another_user_is_notified_too(
    update: Editor, ticket_actions: TicketActions, other: Editor, ticket: Ticket, people: People
) -> None:
    ben = people.add(Role.MODERATOR)
    ticket_actions.take(actor=Actor.from_user(ben), ticket_id=str(ticket.id))
    found = clashing(
        update,
        seen=ticket.seq,
        assignedTo=str(update.actor.user_id),
        status="COMPLETED",
        message="Done.",
    )
    told = {clash.field: (clash.by, clash.value) for clash in found.conflicts}
    assert told == {"assignedTo": (ben.id, ben.id), "status": (ben.id, "IN_PROGRESS")}
    ticket_actions.reassign(actor=Actor.from_user(ben), ticket_id=str(ticket.id), assignee_id=None)
    found = clashing(update, seen=ticket.seq, assignedTo=str(update.actor.user_id))
    assert [(clash.by, clash.value) for clash in found.conflicts] == [(ben.id, None)]


@pytest.mark.parametrize("found", ["high", None])
def test_an_analysis_counts_where_it_found_something(
    update: Editor, db: Mongo, ticket: Ticket, found: str | None, clock: FixedClock
) -> None:
    analysed = {"seq": 2, "at": clock(), "by": "ai", "type": EventType.ANALYSED}
    values = {
        "seq": 2,
        "priority": "high",
        "relatedSkills": ["VPN"],
        "helpfulNotes": "Look.",
        "assignment.analysis": {"priority": found},
    }
    db.tickets.update_one({"_id": ticket.id}, {"$set": values, "$push": {"events": analysed}})
    clash = clashing(
        update, seen=1, priority="low", relatedSkills=["DNS"], helpfulNotes="Mine.", title="New"
    )
    fields = ["relatedSkills", "helpfulNotes"]
    assert [c.field for c in clash.conflicts] == (["priority", *fields] if found else fields)
    assert {c.by for c in clash.conflicts} == {"ai"}


def test_a_concurrent_comment_is_no_conflict(
    update: Editor, db: Mongo, ticket: Ticket, clock: FixedClock
) -> None:
    event = {"seq": 2, "at": clock(), "by": ObjectId(), "type": EventType.COMMENTED}
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"seq": 2}, "$push": {"events": event}})
    assert update(seen=1, title="VPN down").title == "VPN down"


def test_at_the_same_moment_one_of_one_field_wins_and_all_of_different_ones_do(
    ticket_edits: TicketEdits, db: Mongo, ticket: Ticket, people: People, clock: FixedClock
) -> None:
    staff = [Editor(ticket_edits, db, ticket, people.add(Role.MODERATOR, "SAP")) for _ in range(6)]
    different = (
        {"description": "New."},
        {"deadline": clock() + timedelta(days=1)},
        {"relatedSkills": ["SAP"]},
    )
    wanted: list[dict[str, Any]] = [{"title": f"Title {number}"} for number in range(3)]
    edits_at_once = zip(staff, [*wanted, *different], strict=True)
    results = at_once(*[partial(editor, seen=1, **edit) for editor, edit in edits_at_once])
    assert sum(isinstance(result, EditConflict) for result in results[:3]) == 2
    assert all(isinstance(result, Ticket) for result in results[3:])
    now = reload(db, ticket)
    (winner,) = [n for n in range(3) if isinstance(results[n], Ticket)]
    assert (now.title, now.description) == (f"Title {winner}", "New.")
    assert (now.related_skills, now.deadline) == (("SAP",), clock() + timedelta(days=1))
    assert [event.seq for event in now.events] == [1, 2, 3, 4, 5]


def test_a_ticket_that_is_never_still_ends_in_a_sentence(
    update: Editor, db: Mongo, ticket: Ticket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.tickets.ticket_store.apply", lambda *_, **__: None)
    with pytest.raises(Conflict) as busy:
        update(title="VPN down")
    assert str(busy.value) == BUSY


# What stays unchanged


def test_unknown_fields_and_long_legacy_texts_survive(
    ticket_edits: TicketEdits, db: Mongo, moderator: User, people: People
) -> None:
    legacy = {
        "_id": ObjectId(),
        "title": "t" * 900,
        "description": "d" * 9_000,
        "helpfulNotes": "n" * 9_000,
        "status": "TODO",
        "createdBy": people.add().id,
        "assignedTo": None,
        "relatedSkills": ["Cobol"],
        "priority": "medium",
        "mood": {"of": "the day"},
    }
    db.tickets.insert_one(legacy)
    done = Editor(ticket_edits, db, Ticket.from_doc(legacy), moderator)(priority="high")
    after = db.tickets.find_one({"_id": legacy["_id"]}) or {}
    assert {name: after[name] for name in legacy} == {**legacy, "priority": "high"}
    assert (done.seq, kinds(done)) == (1, ["edited"])
    changed = Editor(ticket_edits, db, done, moderator)(
        relatedSkills=["Cobol", "VPN"], helpfulNotes="x"
    )
    assert (changed.related_skills, changed.helpful_notes) == (("Cobol", "VPN"), "x")


# Permissions


@pytest.mark.parametrize("role", list(Role))
def test_only_staff_may(
    ticket_edits: TicketEdits, db: Mongo, ticket: Ticket, people: People, role: Role
) -> None:
    user = people.add(role)
    editor = Editor(ticket_edits, db, ticket, user)
    asks: list[Callable[[], object]] = [
        partial(editor, title="VPN down"),
        partial(
            ticket_edits.get_form, actor=editor.actor, team_id=TEAM_ID, ticket_id=str(ticket.id)
        ),
        partial(ticket_edits.assignee_options, actor=editor.actor, team_id=TEAM_ID),
        partial(ticket_edits.team_skills, actor=editor.actor),
    ]
    for ask in asks:
        if role is Role.USER:
            with pytest.raises(
                PermissionDenied, match="Your role does not allow you to work on tickets"
            ):
                ask()
        else:
            ask()


def test_the_requester_may_not_either(
    ticket_edits: TicketEdits, db: Mongo, tickets: TicketService, people: People
) -> None:
    requester = people.add()
    own = file_ticket(tickets, requester)
    with pytest.raises(PermissionDenied):
        Editor(ticket_edits, db, own, requester)(priority="urgent")


@pytest.mark.parametrize("ticket_id", ["", "12", "6b0368971218f597fece92d1"])
def test_no_such_ticket(ticket_edits: TicketEdits, moderator: User, ticket_id: str) -> None:
    with pytest.raises(NotFound):
        ticket_edits.update(
            actor=Actor.from_user(moderator),
            ticket_id=ticket_id,
            expected_seq=1,
            changes={"title": "x"},
        )


# Initial values of the form


def test_a_draft_holds_the_team_s_skills_and_how_the_assignee_stands(
    ticket_edits: TicketEdits, update: Editor, people: People, ticket: Ticket
) -> None:
    ben = people.add(Role.MODERATOR, "SAP")
    update(assignedTo=str(ben.id), relatedSkills=["SAP"])
    draft = ticket_edits.get_form(actor=update.actor, team_id=TEAM_ID, ticket_id=str(ticket.id))
    assert draft.team_skills == ("DNS", "SAP", "VPN")
    assert draft.assignee_option is not None
    assert (draft.assignee_option.user, draft.assignee_option.known_skills) == (ben, ("SAP",))
    assert draft.assignee_option.open_tickets == 0  # without this one


def test_without_an_assignee_nobody_is_counted(
    ticket_edits: TicketEdits, update: Editor, ticket: Ticket
) -> None:
    draft = ticket_edits.get_form(actor=update.actor, team_id=TEAM_ID, ticket_id=str(ticket.id))
    assert draft.assignee_option is None


def test_assignees_are_ranked_for_the_ticket_and_found_by_what_is_typed(
    ticket_edits: TicketEdits, update: Editor, people: People, ticket: Ticket
) -> None:
    ben, unlinked = people.add(Role.MODERATOR, "SAP"), people.add(Role.ADMIN, linked=False)
    update(relatedSkills=["SAP"])
    ask = partial(
        ticket_edits.assignee_options, actor=update.actor, team_id=TEAM_ID, ticket_id=str(ticket.id)
    )
    found = ask()
    assert [fit.user.id for fit in found] == [ben.id, update.actor.user_id, unlinked.id]
    assert found[2].obstacle is Obstacle.UNLINKED
    assert [fit.user.id for fit in ask(query="sap")] == [ben.id]
    anywhere = ticket_edits.assignee_options(actor=update.actor, team_id=TEAM_ID)
    assert {fit.user.id for fit in anywhere} == {fit.user.id for fit in found}


def test_the_team_s_skills_are_found_by_what_is_typed(
    ticket_edits: TicketEdits, update: Editor
) -> None:
    assert ticket_edits.team_skills(actor=update.actor, query=" vp") == ["VPN"]


# Changes by programs


def test_of_two_who_write_at_once_both_are_kept_and_the_later_counts(
    db: Mongo, ticket_edits: TicketEdits, people: People, ticket: Ticket
) -> None:
    actors = [Actor.from_user(people.add(Role.MODERATOR)) for _ in range(4)]

    def change(actor: Actor, priority: Priority) -> str:
        ticket_edits.patch(actor=actor, ticket_id=str(ticket.id), changes={"priority": priority})
        return priority

    calls = zip(actors, Priority, strict=True)
    done = at_once(*[lambda pair=pair: change(*pair) for pair in calls])
    assert sorted(done) == sorted(Priority)
    stored = reload(db, ticket)
    told = [event.to for event in stored.events if event.field == "priority"]
    assert sorted(told) == sorted(Priority)
    assert told[-1] == stored.priority


def test_of_those_who_take_a_ticket_at_once_one_has_it(
    db: Mongo, ticket_edits: TicketEdits, people: People, ticket: Ticket
) -> None:
    actors = [Actor.from_user(people.add(Role.MODERATOR)) for _ in range(4)]
    patch = partial(ticket_edits.patch, ticket_id=str(ticket.id), changes={"status": "IN_PROGRESS"})
    answers = at_once(*[partial(patch, actor=actor) for actor in actors])
    stored = reload(db, ticket)
    assert stored.status is Status.IN_PROGRESS
    assert {answer.assigned_to for answer in answers} == {stored.assigned_to}
    assert kinds(stored).count("assigned") == 1


NOW = datetime(2026, 3, 5, 14, 7, tzinfo=UTC)
ANN, BEN, CHRIS = ObjectId(), ObjectId(), ObjectId()
WORKED_ON = (Status.IN_PROGRESS, Status.WAITING, Status.COMPLETED)


def a_ticket(status: Status) -> Ticket:
    return sample_ticket(status=status, assigned_to=BEN if status in WORKED_ON else None)


def edited(ticket: Ticket, message: str = "", stays: bool = True, **edit: Any) -> Change:
    return build_status_change(ANN, ticket, edit, message=message, keep_assignee=stays, now=NOW)


def told(change: Change) -> list[tuple[str, Any, Any]]:
    return [(event.type, event.from_, event.to) for event in change.events]


def refusal(ticket: Ticket, **edit: Any) -> tuple[str, str]:
    with pytest.raises(InvalidValue) as refused:
        edited(ticket, **edit)
    return refused.value.field, str(refused.value)


def test_nothing_chosen_changes_nothing() -> None:
    assert edited(a_ticket(Status.TODO)) == Change()


def test_assigning_a_ticket_puts_it_in_progress() -> None:
    change = edited(a_ticket(Status.TODO), assignedTo=BEN)
    assert told(change) == [
        (EventType.ASSIGNED, None, BEN),
        (EventType.STATUS_CHANGED, "TODO", "IN_PROGRESS"),
    ]
    assert (change.values["assignedTo"], change.values["status"]) == (BEN, "IN_PROGRESS")


def test_choosing_in_progress_too_is_the_same() -> None:
    ticket = a_ticket(Status.TODO)
    both = edited(ticket, assignedTo=BEN, status="IN_PROGRESS")
    assert both == edited(ticket, assignedTo=BEN)


def test_nobody_s_ticket_is_not_in_progress() -> None:
    about = refusal(a_ticket(Status.TODO), status="IN_PROGRESS")
    assert about == ("assignedTo", "Choose who works on it.")


@pytest.mark.parametrize("edit", [{"assignedTo": None}, {"status": "TODO"}])
def test_removing_the_assignee_unassigns_it(edit: dict[str, Any]) -> None:
    change = edited(a_ticket(Status.IN_PROGRESS), **edit)
    assert told(change) == [(EventType.UNASSIGNED, BEN, None)]
    assert change.values == {"assignedTo": None, "status": "TODO"}


def test_an_assigned_ticket_cannot_be_to_do() -> None:
    about = refusal(a_ticket(Status.IN_PROGRESS), status="TODO", assignedTo=CHRIS)
    assert about == ("status", "An assigned ticket cannot be open. Choose In progress.")


def test_a_waiting_ticket_is_given_to_another_and_goes_on_waiting() -> None:
    change = edited(a_ticket(Status.WAITING), assignedTo=CHRIS)
    assert told(change) == [(EventType.ASSIGNED, BEN, CHRIS)]
    assert "status" not in change.values


def test_a_waiting_ticket_is_not_released() -> None:
    assert refusal(a_ticket(Status.WAITING), assignedTo=None) == (
        "assignedTo",
        "Choose someone to give it to: ticket 12 is waiting for its requester.",
    )


def test_resolved_says_what_was_done() -> None:
    change = edited(a_ticket(Status.IN_PROGRESS), status="COMPLETED", message=" Done. ")
    assert told(change) == [(EventType.RESOLVED, "IN_PROGRESS", "COMPLETED")]
    assert change.values == {"status": "COMPLETED", "resolution": "Done.", "completedAt": NOW}
    assert change.events[0].note == "Done."


def test_waiting_says_what_is_asked() -> None:
    change = edited(a_ticket(Status.IN_PROGRESS), status="WAITING", message="Which floor?")
    comment = change.push["comments"]
    assert told(change) == [
        (EventType.WAITING, "IN_PROGRESS", "WAITING"),
        (EventType.COMMENTED, None, comment["id"]),
    ]
    assert (change.events[0].note, comment["text"], comment["by"]) == (
        "Which floor?",
        "Which floor?",
        ANN,
    )


def test_a_question_needs_words_and_a_resolution_does_not() -> None:
    ticket = a_ticket(Status.IN_PROGRESS)
    sentence = "Ask what you need to know; the requester reads it."
    assert refusal(ticket, status="WAITING", message=" ") == ("message", sentence)
    resolved = edited(ticket, status="COMPLETED", message=" ")
    assert (resolved.values["resolution"], resolved.events[0].note) == (None, None)


@pytest.mark.parametrize("edit", [{}, {"status": "TODO"}, {"assignedTo": CHRIS}])
def test_a_message_does_not_get_lost(edit: dict[str, Any]) -> None:
    assert refusal(a_ticket(Status.IN_PROGRESS), message="Hello", **edit) == (
        "message",
        "This goes out with the status Resolved or Waiting. For anything else, add a comment.",
    )


def test_the_same_form_sent_twice_is_no_stray_message() -> None:
    resolved = Event(3, NOW, ANN, EventType.RESOLVED, "status", "TODO", "COMPLETED", note="Done.")
    ticket = replace(a_ticket(Status.COMPLETED), events=(resolved,))
    assert edited(ticket, message="Done. ") == Change()
    assert refusal(ticket, message="Something else")[0] == "message"


def test_a_message_is_no_longer_than_any_other() -> None:
    about = refusal(a_ticket(Status.TODO), status="COMPLETED", message="x" * 1_001)
    assert about == ("message", "At most 1,000 characters; this text has 1,001.")


def test_the_requester_s_answer_is_not_waited_for_any_more() -> None:
    change = edited(a_ticket(Status.WAITING), status="IN_PROGRESS")
    assert told(change) == [(EventType.STATUS_CHANGED, "WAITING", "IN_PROGRESS")]


@pytest.mark.parametrize("stays", [True, False])
def test_a_reopened_ticket_keeps_who_is_still_there(stays: bool) -> None:
    change = edited(a_ticket(Status.COMPLETED), status="REOPENED", stays=stays)
    assert told(change) == [(EventType.REOPENED, "COMPLETED", "REOPENED")]
    assert change.values == {"status": "REOPENED"} | ({} if stays else {"assignedTo": None})
    assert "resolution" in change.remove


def test_reopened_and_given_to_another_it_is_in_progress() -> None:
    change = edited(a_ticket(Status.COMPLETED), status="REOPENED", assignedTo=CHRIS)
    assert [kind for kind, _, _ in told(change)] == [
        EventType.REOPENED,
        EventType.ASSIGNED,
        EventType.STATUS_CHANGED,
    ]
    assert (change.values["status"], change.values["assignedTo"]) == ("IN_PROGRESS", CHRIS)
    assert {"resolution", "completedAt"} <= set(change.remove)


def test_assigned_and_resolved_in_one_edit() -> None:
    change = edited(a_ticket(Status.TODO), assignedTo=ANN, status="COMPLETED", message="Done.")
    assert [kind for kind, _, _ in told(change)] == [
        EventType.ASSIGNED,
        EventType.STATUS_CHANGED,
        EventType.RESOLVED,
    ]
    assert change.events[2].from_ == "IN_PROGRESS"
    assert (change.values["status"], change.values["assignedTo"]) == ("COMPLETED", ANN)


@pytest.mark.parametrize("assignee", [None, CHRIS])
def test_who_resolved_a_ticket_stays_its_assignee(assignee: ObjectId | None) -> None:
    assert refusal(a_ticket(Status.COMPLETED), assignedTo=assignee) == (
        "assignedTo",
        "Reopen it before you change who has it: ticket 12 is resolved.",
    )


def test_what_the_table_does_not_allow_is_said_at_the_status() -> None:
    assert refusal(a_ticket(Status.COMPLETED), status="TODO") == (
        "status",
        "A ticket that is resolved can't become waiting for someone to take it.",
    )


_STEPS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from([status.value for status in Status]),
        "assignedTo": st.sampled_from([None, ANN, BEN]),
        "message": st.just("Because."),
    },
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(Status)), st.lists(_STEPS, max_size=8), st.booleans())
def test_however_it_is_edited_only_the_table_s_steps_happen(
    start: Status, walk: list[dict[str, Any]], stays: bool
) -> None:
    ticket = a_ticket(start)
    for step in walk:
        if step.get("status") == ticket.status.value:
            step.pop("status")
        try:
            change = edited(ticket, stays=stays, **step)
        except InvalidValue:
            continue
        path = [event.to for event in change.events if event.field == "status"]
        if any(event.type is EventType.UNASSIGNED for event in change.events):
            path.insert(0, with_change(ticket, change).status.value)
        for old, new in pairwise([ticket.status.value, *path]):
            assert old == new or Status(new) in STATUS_TRANSITIONS[Status(old)]
        ticket = with_change(ticket, change)
        if ticket.status in (Status.IN_PROGRESS, Status.WAITING):
            assert ticket.assigned_to
        if ticket.status is Status.TODO:
            assert ticket.assigned_to is None
