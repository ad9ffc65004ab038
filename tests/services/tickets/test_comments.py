"""Comments: stored once, with permission, and updated when their message changes."""

from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.core.errors import InvalidValue, NotFound, PermissionDenied
from services.models.comment import FileLink, MessageRef, comments_from_doc, file_links
from services.models.permissions import Actor
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.tickets import transitions
from services.tickets.actions import TicketActions
from services.tickets.comments import (
    CommentLimitReached,
    CommentRateLimitReached,
    CommentResult,
    CommentService,
)
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, at_once, file_ticket, reload

HERE = MessageRef("D0EMP", "1700000000.000100")
Write = Callable[..., CommentResult]


@pytest.fixture
def ticket(tickets: TicketService, requester: User) -> Ticket:
    return file_ticket(tickets, requester)


@pytest.fixture
def write(comments: CommentService, ticket: Ticket) -> Write:
    def written(by: User, text: str = "It is back.", **more: Any) -> CommentResult:
        return comments.add(actor=Actor.from_user(by), ticket_id=str(ticket.id), text=text, **more)

    return written


def happened(ticket: Ticket) -> list[tuple[str, Any]]:
    return [(event.type, event.by) for event in ticket.events[1:]]


def test_a_comment_is_stored_with_its_author_and_message(
    write: Write, requester: User, db: Mongo, ticket: Ticket, clock: FixedClock
) -> None:
    file = FileLink("log.txt", "https://example.slack.com/files/U1/F1/log.txt")
    written = write(requester, "  It is\nback. ", files=(file,), message=HERE)
    assert written.is_new
    doc = db.tickets.find_one({"_id": ticket.id}) or {}
    assert doc["comments"] == [
        {
            "id": written.comment.id,
            "at": clock(),
            "by": requester.id,
            "text": "It is\nback.",
            "internal": False,
            "files": [{"name": "log.txt", "url": "https://example.slack.com/files/U1/F1/log.txt"}],
            "slack": {"channel": "D0EMP", "ts": "1700000000.000100"},
        }
    ]
    stored = reload(db, ticket)
    assert stored.comments == (written.comment,)
    assert happened(stored) == [("commented", requester.id)]
    assert (stored.seq, stored.is_in_outbox) == (2, True)
    assert stored.events[-1].to == written.comment.id


def test_the_same_message_or_modal_is_one_comment(
    write: Write, requester: User, moderator: User, db: Mongo, ticket: Ticket
) -> None:
    first = write(requester, message=HERE)
    again = write(requester, "It is back, really.", message=HERE)
    assert (again.is_new, again.comment) == (False, first.comment)
    form = write(requester, "By a form", request_id="V1")
    assert not write(requester, "By a form", request_id="V1").is_new
    assert form.comment.submission_id == "V1"
    # Another user who replays the form gets their own comment.
    assert write(moderator, "By a form", request_id="V1").is_new
    assert write(requester, message=MessageRef("D0EMP", "1700000000.000101")).is_new
    assert len(reload(db, ticket).comments) == 4


def test_many_at_once_lose_nothing_and_repeat_nothing(
    write: Write, requester: User, moderator: User, db: Mongo, ticket: Ticket
) -> None:
    people = (requester, moderator)
    places = [MessageRef("D0EMP", f"1700000000.{number:06d}") for number in range(8)]
    outcomes = at_once(
        *[
            lambda place=place, number=number: write(
                people[number % 2], f"Comment {number}", message=place
            )
            for number, place in enumerate(places)
            for _ in range(2)
        ]
    )
    assert sum(written.is_new for written in outcomes) == 8
    stored = reload(db, ticket)
    assert sorted(c.text for c in stored.comments) == [f"Comment {n}" for n in range(8)]
    assert [event.seq for event in stored.events] == list(range(1, 10))


def test_comments_and_notes_require_permission(
    write: Write, people: People, requester: User, moderator: User
) -> None:
    stranger, admin = people.add(), people.add(Role.ADMIN)
    for writer in (requester, moderator, admin):
        assert write(writer).is_new
    for writer in (moderator, admin):
        assert write(writer, "A note.", internal=True).comment.internal
    with pytest.raises(NotFound, match=r"^There is no such ticket, or you may not see it.$"):
        write(stranger)
    with pytest.raises(
        PermissionDenied, match=r"^Your role does not allow you to work on tickets."
    ):
        write(requester, internal=True)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Write something first."),
        (" \n\u200b", "Write something first."),
        ("x" * 3_001, "At most 3,000 characters; this text has 3,001."),
    ],
)
def test_a_text_that_cannot_be_kept(
    write: Write, requester: User, text: str, sentence: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        write(requester, text)
    assert (refused.value.field, str(refused.value)) == ("text", sentence)


def test_a_file_needs_no_words(write: Write, requester: User) -> None:
    file = FileLink("a.png", "https://example.slack.com/a.png")
    assert write(requester, " ", files=(file,)).comment.text == ""


def test_only_what_can_be_opened_is_a_link() -> None:
    good = {"name": "a|b <c>\n\u202e", "url": "https://example.slack.com/files/F1"}
    bad = [
        {"name": "x", "url": url}
        for url in (
            "javascript:x",
            "https://a b",
            "https://a|b",
            "https://a>b",
            "",
            "https://" + "x" * 500,
        )
    ]
    assert file_links([*bad, good, {"url": "http://a.example/x"}, {}]) == (
        FileLink("a b <c>", "https://example.slack.com/files/F1"),
        FileLink("a file", "http://a.example/x"),
    )
    assert len(file_links([good] * 20)) == 10


def test_the_requesters_answer_moves_a_waiting_ticket_on(
    write: Write,
    ticket_actions: TicketActions,
    requester: User,
    moderator: User,
    people: People,
    db: Mongo,
    ticket: Ticket,
) -> None:
    by = Actor.from_user(moderator)
    ticket_actions.take(actor=by, ticket_id=str(ticket.id))
    ticket_actions.ask_requester(actor=by, ticket_id=str(ticket.id), question="Which printer?")
    write(people.add(Role.ADMIN), "I am curious, too.")
    assert reload(db, ticket).status is Status.WAITING
    stored = write(requester, "The one on floor 3.").ticket
    assert (stored.status, stored.assigned_to) == (Status.IN_PROGRESS, moderator.id)
    commented, answered = stored.events[-2:]
    assert (commented.type, answered.type) == ("commented", "answered")
    assert (answered.field, answered.from_, answered.to) == ("status", "WAITING", "IN_PROGRESS")
    assert write(requester, "And floor 4.").ticket.events[-1].type == "commented"


def test_the_question_is_part_of_the_conversation(
    ticket_actions: TicketActions, moderator: User, db: Mongo, ticket: Ticket
) -> None:
    by = Actor.from_user(moderator)
    ticket_actions.take(actor=by, ticket_id=str(ticket.id))
    for _ in range(2):  # a double click
        ticket_actions.ask_requester(actor=by, ticket_id=str(ticket.id), question="Which printer?")
    (asked,) = reload(db, ticket).comments
    assert (asked.by, asked.text, asked.internal) == (moderator.id, "Which printer?", False)


def test_an_internal_note_of_a_requester_who_is_staff_is_no_answer(
    comments: CommentService, tickets: TicketService, ticket_actions: TicketActions, people: People
) -> None:
    asker, helper = people.add(Role.MODERATOR), people.add(Role.MODERATOR)
    own = file_ticket(tickets, asker)
    ticket_actions.take(actor=Actor.from_user(helper), ticket_id=str(own.id))
    ticket_actions.ask_requester(
        actor=Actor.from_user(helper), ticket_id=str(own.id), question="Which one?"
    )
    noted = comments.add(
        actor=Actor.from_user(asker), ticket_id=str(own.id), text="Hm.", internal=True
    ).ticket
    assert noted.status is Status.WAITING


def test_a_completed_ticket_takes_comments(
    write: Write, ticket_actions: TicketActions, requester: User, moderator: User, ticket: Ticket
) -> None:
    ticket_actions.resolve(
        actor=Actor.from_user(moderator), ticket_id=str(ticket.id), resolution="Done."
    )
    assert write(requester, "Thank you!").ticket.status is Status.COMPLETED


def test_a_changed_message_changes_the_comment(
    write: Write,
    comments: CommentService,
    requester: User,
    db: Mongo,
    ticket: Ticket,
    clock: FixedClock,
) -> None:
    write(requester, "Another one")
    write(requester, message=HERE)
    clock.advance(minutes=1)
    edit: dict[str, Any] = {"actor": Actor.from_user(requester), "ticket_id": str(ticket.id)}
    edit["message"] = HERE
    assert comments.edit(**edit, text="It is gone.") is not None
    other, changed = reload(db, ticket).comments
    assert (other.text, other.edited_at) == ("Another one", None)
    assert (changed.text, changed.edited_at) == ("It is gone.", clock())
    seq = reload(db, ticket).seq
    comments.edit(**edit, text="It is gone.")  # the same event once more
    assert reload(db, ticket).seq == seq
    assert happened(reload(db, ticket))[-1] == ("comment_edited", requester.id)


def test_only_its_author_changes_a_comment(
    write: Write,
    comments: CommentService,
    requester: User,
    moderator: User,
    db: Mongo,
    ticket: Ticket,
) -> None:
    write(requester, message=HERE)
    with pytest.raises(PermissionDenied, match=r"^Only its author can change a comment.$"):
        comments.edit(
            actor=Actor.from_user(moderator),
            ticket_id=str(ticket.id),
            message=HERE,
            text="Never mind.",
        )
    assert reload(db, ticket).comments[0].text == "It is back."


def test_a_former_moderator_no_longer_changes_a_note(
    write: Write, comments: CommentService, moderator: User, ticket: Ticket
) -> None:
    write(moderator, "A note.", internal=True, message=HERE)
    demoted = Actor(moderator.id, Role.USER)
    with pytest.raises(PermissionDenied):
        comments.edit(actor=demoted, ticket_id=str(ticket.id), message=HERE, text="For all to see")


def test_a_deleted_message_leaves_nothing_of_its_words(
    write: Write, comments: CommentService, requester: User, db: Mongo, ticket: Ticket
) -> None:
    file = FileLink("a.png", "https://example.slack.com/a.png")
    write(requester, "My password is hunter2", message=HERE, files=(file,))
    for _ in range(2):
        comments.delete(ticket_id=str(ticket.id), message=HERE)
    (comment,) = reload(db, ticket).comments
    assert (comment.text, comment.files, comment.deleted) == ("", (), True)
    assert "hunter2" not in str(db.tickets.find_one())
    assert [kind for kind, _ in happened(reload(db, ticket))] == ["commented", "comment_deleted"]
    edit: dict[str, Any] = {"actor": Actor.from_user(requester), "ticket_id": str(ticket.id)}
    edit["message"] = HERE
    comments.edit(**edit, text="Back again")
    assert reload(db, ticket).comments[0].deleted


def test_message_without_a_comment_changes_nothing(
    comments: CommentService, requester: User, ticket: Ticket
) -> None:
    actor = Actor.from_user(requester)
    assert comments.edit(actor=actor, ticket_id=str(ticket.id), message=HERE, text="x") is None
    assert comments.delete(ticket_id=str(ticket.id), message=HERE) is None
    assert comments.delete(ticket_id=str(ObjectId()), message=HERE) is None
    assert comments.delete(ticket_id="nonsense", message=HERE) is None


def test_an_edit_and_a_deletion_at_once(
    write: Write, comments: CommentService, requester: User, db: Mongo, ticket: Ticket
) -> None:
    write(requester, message=HERE)
    actor, ticket_id = Actor.from_user(requester), str(ticket.id)
    at_once(
        *[
            lambda n=n: comments.edit(
                actor=actor, ticket_id=ticket_id, message=HERE, text=f"Edit {n}"
            )
            for n in range(4)
        ],
        lambda: comments.delete(ticket_id=ticket_id, message=HERE),
    )
    (comment,) = reload(db, ticket).comments
    assert (comment.deleted, comment.text) == (True, "")


def test_a_flood_is_held_back_for_a_while(
    write: Write, requester: User, moderator: User, clock: FixedClock
) -> None:
    for number in range(30):
        last = write(requester, f"Comment {number}").ticket.seq
    with pytest.raises(CommentRateLimitReached) as flood:
        write(requester)
    assert flood.value.last_seq == last
    assert str(flood.value) == (
        "You have written 30 comments on ticket 1 within 10 minutes, which is the limit. What you "
        "write there now is not passed on; send it again in a few minutes."
    )
    write(moderator, "Others go on.")
    clock.advance(minutes=10)
    assert write(requester, "And so do I, later.").is_new


def test_changes_count_for_a_flood(
    write: Write, comments: CommentService, requester: User, ticket: Ticket
) -> None:
    write(requester, message=HERE)
    edit: dict[str, Any] = {"actor": Actor.from_user(requester), "ticket_id": str(ticket.id)}
    edit["message"] = HERE
    for number in range(29):
        comments.edit(**edit, text=f"Take {number}")
    with pytest.raises(CommentRateLimitReached):
        comments.edit(**edit, text="Take 30")


def full_of(ticket: Ticket, by: User, *, at: Any) -> list[dict[str, Any]]:
    text = "😀" * 3_000  # the maximum length in the largest number of bytes
    return [
        {**transitions.comment_doc(by=by.id, text=text, at=at, internal=number % 5 == 0)}
        for number in range(500)
    ]


def test_five_hundred_comments_are_enough(
    write: Write, requester: User, db: Mongo, ticket: Ticket, clock: FixedClock
) -> None:
    longest = full_of(ticket, requester, at=clock())
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"comments": longest[:499]}})
    assert len(write(requester, "The last one").ticket.comments) == 500
    with pytest.raises(CommentLimitReached) as full:
        write(requester)
    assert str(full.value) == (
        "Ticket 1 has 500 comments, which is the limit, so this is not passed on. File a new "
        "ticket with /ticket and name this one in it."
    )


def test_a_full_ticket_still_asks_and_moves(
    ticket_actions: TicketActions,
    requester: User,
    moderator: User,
    db: Mongo,
    ticket: Ticket,
    clock: FixedClock,
) -> None:
    full = full_of(ticket, requester, at=clock())
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"comments": full}})
    by = Actor.from_user(moderator)
    ticket_actions.take(actor=by, ticket_id=str(ticket.id))
    asked = ticket_actions.ask_requester(actor=by, ticket_id=str(ticket.id), question="Which one?")
    assert (asked.status, len(asked.comments)) == (Status.WAITING, 500)


def test_edits_have_a_limit_of_their_own(
    write: Write,
    comments: CommentService,
    requester: User,
    ticket: Ticket,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.tickets.comments.MAX_COMMENT_EDITS", 2)
    write(requester, message=HERE)
    edit: dict[str, Any] = {"actor": Actor.from_user(requester), "ticket_id": str(ticket.id)}
    edit["message"] = HERE
    for number in range(2):
        comments.edit(**edit, text=f"Take {number}")
    with pytest.raises(CommentLimitReached) as full:
        comments.edit(**edit, text="Take 3")
    assert str(full.value) == (
        "The comments on ticket 1 were changed 2 times, which is the limit, so this change is not "
        "passed on. Write a new comment."
    )


def test_a_legacy_ticket_takes_comments(
    comments: CommentService, requester: User, db: Mongo
) -> None:
    legacy = {"title": "Old", "status": "TODO", "createdBy": requester.id, "comments": "none"}
    ticket_id = db.tickets.insert_one({k: v for k, v in legacy.items() if k != "comments"})
    written = comments.add(
        actor=Actor.from_user(requester), ticket_id=str(ticket_id.inserted_id), text="Still there."
    )
    assert (written.ticket.seq, len(written.ticket.comments)) == (1, 1)


def test_malformed_comments_are_skipped() -> None:
    at = ObjectId().generation_time
    ours = transitions.comment_doc(by=ObjectId(), text="Ours", at=at)
    assert comments_from_doc("nonsense") == ()
    (read,) = comments_from_doc([{"text": "foreign"}, 3, ours])
    assert (read.text, read.position) == ("Ours", 2)
    unsaid = {name: value for name, value in ours.items() if name != "internal"}
    assert comments_from_doc([unsaid])[0].internal
