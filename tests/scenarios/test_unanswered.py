"""A ticket that waits for its requester asks once more, then is closed."""

from datetime import timedelta
from typing import Any

import pytest

from bot.views.history import history_blocks
from services.accounts.users import UserService
from services.core.errors import Conflict, NotFound, PermissionDenied
from services.linking.links import LinkService
from services.models.events import EventType
from services.models.permissions import OPERATOR
from services.models.resolution import NO_ANSWER_RESOLUTION, SOLVED_BY_REQUESTER
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.sla.policy import TargetFields, Targets
from services.team_settings.settings_service import TeamSettings
from services.tickets.actions import STILL_A_PROBLEM
from services.tickets.comments import CommentService
from tests.conftest import Bot, FixedClock, People, at_once, work
from tests.support import payloads
from tests.support.action_helpers import by
from tests.support.bot_and_workers import buttons
from tests.support.escalation_day import Day, at, texts
from tests.support.slack_workspace import TEAM_ID

pytest_plugins = ["tests.support.business_day"]

ASKED = "Ticket 1 “VPN is down” still waits for your answer"
CLOSED = "Ticket 1 “VPN is down” was closed, because there was no answer"
STILL_A_PROBLEM_SHOWN = [
    "*Ticket 1*",
    "VPN is down",
    "*Question*",
    "Since <when>?",
    "You answered: It is still a problem.",
]
NOT_ANSWERED = "Ticket 1 “VPN is down”: closed without an answer"
ANSWERED = "Ticket 1 “VPN is down”: you answered: Since nine."


@pytest.fixture
def jo(day: Day) -> User:
    return day.moderator("VPN")


@pytest.fixture
def eve(day: Day) -> User:
    return day.people.add()


@pytest.fixture
def ticket(day: Day, jo: User, eve: User) -> Ticket:
    """A ticket that waits for an answer since Monday noon."""
    return waiting(day, jo, eve)


def waiting(day: Day, jo: User, eve: User, title: str = "VPN is down") -> Ticket:
    day.clock.now = at(2, 12)
    ticket = day.file(eve, title)
    day.accept(ticket, jo)
    day.ticket_actions.ask_requester(**by(jo, ticket), question="Since <when>?")
    day.deliver(ticket)
    return day.now(ticket)


def told(day: Day, eve: User) -> list[str]:
    """Return the requester's messages since the question."""
    return [message["text"] for message in top_level(day, eve)][1:]


def top_level(day: Day, eve: User) -> list[dict[str, Any]]:
    """Return the messages outside threads, where question and answer are kept, too."""
    return [message for message in day.messages(eve) if "thread_ts" not in message]


def press(bot: Bot, day: Day, message: dict[str, Any], action_id: str, user: User) -> Any:
    """Press and return what replaces the message, or the ephemeral message."""
    day.slack.clear()
    body = payloads.block_actions(message, action_id, user=People.slack_id(user))
    body["response_url"] = day.slack.response_url()
    bot.answer(body)
    work(day.runtime, day.publisher)
    replaced = [call.args for call in day.slack.calls_to("response_url")]
    said = [call.args for call in day.slack.calls_to("chat.postEphemeral")]
    (shown,) = replaced or said
    return shown


def card_texts(day: Day, reader: User) -> str:
    return "\n".join(texts(day.slack.messages(People.slack_id(reader))[0]))


def test_asked_once_more_and_then_closed(
    day: Day, jo: User, eve: User, ticket: Ticket, users: UserService, links: LinkService
) -> None:
    day.runs_until(at(5, 11))
    assert told(day, eve) == []
    day.runs_until(at(5, 12))
    (asked,) = day.messages(eve)[1:]
    closing = int(at(11, 12).timestamp())
    assert asked["text"] == ASKED
    assert texts(asked) == [
        "*Ticket 1* still waits for your answer",
        "VPN is down",
        "*Question*",
        "Since <when>?",
        f"Without an answer it is closed <!date^{closing}^{{date_short_pretty}} at {{time}}"
        f"|{at(11, 12):%-d %b %Y, %H:%M} UTC>. You can also write in this message's thread.",
    ]
    assert buttons(asked) == ["Answer", "Still a problem", "Solved"]
    assert day.history(ticket) == ["waiting_ask"]

    day.runs_until(at(11, 11))
    assert day.now(ticket).status is Status.WAITING
    day.runs_until(at(11, 12))
    closed = day.now(ticket)
    assert (closed.status, closed.resolution) == (Status.COMPLETED, NO_ANSWER_RESOLUTION)
    message = top_level(day, eve)[-1]
    assert told(day, eve) == [NOT_ANSWERED, CLOSED]
    assert buttons(top_level(day, eve)[-2]) == ["Details"]
    assert texts(message) == [
        "*Ticket 1* was closed, because there was no answer",
        "VPN is down",
        "If you still need help, press Reopen. It continues where it stopped.",
    ]
    assert buttons(message) == ["Reopen", "Details"]
    for reader in (jo, eve):
        assert "Closed without an answer" in str(day.slack.messages(People.slack_id(reader))[0])
        assert "no_answer" not in str(day.slack.messages(People.slack_id(reader)))

    day.runs_until(at(20, 9))
    assert told(day, eve) == [NOT_ANSWERED, CLOSED]
    people = links.resolve_people(team_id=TEAM_ID, user_ids={jo.id, eve.id})
    lines = "\n".join(text for block in history_blocks(closed.events, people)
                      for text in texts({"blocks": [block]}))  # fmt: skip
    assert "Help desk asked its requester once more · " in lines
    assert "Help desk closed it: no answer, though asked once more · " in lines


def test_reopened_by_its_button(
    day: Day, jo: User, eve: User, ticket: Ticket, ticket_bot: Bot
) -> None:
    day.runs_until(at(11, 12))
    day.runs_until(at(12, 9))
    body = payloads.block_actions(top_level(day, eve)[-1], "reopen", user=People.slack_id(eve))
    ticket_bot.answer(body)
    form = payloads.view_submission(day.slack.last_view(), {}, user=People.slack_id(eve))
    assert ticket_bot.answer(form) == {}
    work(day.runtime, day.publisher)
    reopened = day.now(ticket)
    assert (reopened.status, reopened.assigned_to) == (Status.REOPENED, jo.id)
    assert reopened.resolution is None
    assert day.texts_to(jo)[-1] == f"Ticket 1 “VPN is down”: reopened by {eve.name}"


@pytest.mark.parametrize("after", [at(4, 9), at(6, 9)], ids=["before", "after"])
def test_an_answer_ends_it(
    day: Day, eve: User, ticket: Ticket, comments: CommentService, after: Any
) -> None:
    day.runs_until(after)
    comments.add(**by(eve, ticket), text="Since nine.")
    day.deliver(ticket)
    before = told(day, eve)
    day.runs_until(at(20, 9))
    assert day.now(ticket).status is Status.IN_PROGRESS
    assert told(day, eve) == before == ([ANSWERED] if after == at(6, 9) else [])


def test_an_answer_in_the_messages_thread_ends_it(
    day: Day, eve: User, ticket: Ticket, ticket_bot: Bot
) -> None:
    day.runs_until(at(5, 12))
    asked = top_level(day, eve)[-1]
    said = {
        "type": "message",
        "channel": asked["channel"],
        "channel_type": "im",
        "user": People.slack_id(eve),
        "text": "Since nine.",
        "ts": "1900000000.000001",
        "thread_ts": asked["ts"],
    }
    ticket_bot.answer(payloads.event(said))
    work(day.runtime, day.publisher)
    now = day.now(ticket)
    assert (now.status, now.comments[-1].text) == (Status.IN_PROGRESS, "Since nine.")


def test_still_a_problem(day: Day, jo: User, eve: User, ticket: Ticket, ticket_bot: Bot) -> None:
    day.runs_until(at(5, 12))
    asked = top_level(day, eve)[-1]
    for _ in range(2):
        shown = press(ticket_bot, day, asked, "still_a_problem", eve)
        assert texts(shown) == STILL_A_PROBLEM_SHOWN
        assert shown["replace_original"] is True
    assert texts(top_level(day, eve)[-1]) == STILL_A_PROBLEM_SHOWN
    now = day.now(ticket)
    assert now.status is Status.IN_PROGRESS
    assert [comment.text for comment in now.comments] == ["Since <when>?", STILL_A_PROBLEM]
    day.runs_until(at(20, 9))
    assert "waiting_close" not in day.history(ticket)


def test_still_a_problem_reopens_what_was_closed(
    day: Day, eve: User, ticket: Ticket, ticket_bot: Bot
) -> None:
    day.runs_until(at(5, 12))
    asked = top_level(day, eve)[-1]
    day.runs_until(at(12, 9))
    assert day.now(ticket).status is Status.COMPLETED
    press(ticket_bot, day, asked, "still_a_problem", eve)
    assert day.now(ticket).status is Status.REOPENED


def test_solved(day: Day, jo: User, eve: User, ticket: Ticket, ticket_bot: Bot) -> None:
    day.runs_until(at(5, 12))
    asked, before = top_level(day, eve)[-1], len(day.texts_to(jo))
    for _ in range(2):
        shown = press(ticket_bot, day, asked, "solved", eve)
        assert texts(shown) == [
            "You said that *Ticket 1* is solved. Thank you. If it comes back, press Reopen on its "
            "card.",
            "VPN is down",
        ]
    done = day.now(ticket)
    assert (done.status, done.resolution) == (Status.COMPLETED, SOLVED_BY_REQUESTER)
    assert day.texts_to(jo)[before:] == [f"Ticket 1 “VPN is down”: solved, says {eve.name}"]
    assert texts(day.messages(jo)[-1]) == [
        f"<@{People.slack_id(eve)}> says that *Ticket 1* is solved",
        "VPN is down",
        "There is nothing left to do.",
    ]
    assert SOLVED_BY_REQUESTER not in card_texts(day, eve)  # the status says it
    assert [event.type for event in done.events].count(EventType.RESOLVED) == 1


def test_what_somebody_else_has_resolved(
    day: Day, jo: User, eve: User, ticket: Ticket, ticket_bot: Bot
) -> None:
    day.runs_until(at(5, 12))
    asked = top_level(day, eve)[-1]
    day.ticket_actions.resolve(**by(jo, ticket), resolution="Mended.")
    shown = press(ticket_bot, day, asked, "solved", eve)
    assert shown["text"] == (
        "Ticket 1 is resolved now, so this was not done. Look at it again, then decide."
    )
    assert day.now(ticket).resolution == "Mended."


def test_only_its_requester_answers(day: Day, jo: User, ticket: Ticket) -> None:
    for user, error in ((jo, PermissionDenied), (day.people.add(), NotFound)):
        with pytest.raises(error):
            day.ticket_actions.confirm_solved(**by(user, ticket))
        with pytest.raises(error):
            day.ticket_actions.report_unsolved(**by(user, ticket), request_id="x")
    assert day.now(ticket).status is Status.WAITING


def test_solved_and_closed_at_once(day: Day, eve: User, ticket: Ticket, clock: FixedClock) -> None:
    day.runs_until(at(5, 12))
    clock.now = at(11, 12)
    (due,) = day.steps.due()

    def solve() -> Any:
        return day.ticket_actions.confirm_solved(**by(eve, ticket))

    outcomes = at_once(solve, lambda: day.steps.take(due))
    done = day.now(ticket)
    closings = [e for e in done.events if e.to == "COMPLETED"]
    assert len(closings) == 1
    assert done.resolution == (
        NO_ANSWER_RESOLUTION if isinstance(outcomes[0], Conflict) else SOLVED_BY_REQUESTER
    )


def test_who_is_written_to_again_has_all_the_time_again(
    day: Day, jo: User, eve: User, ticket: Ticket, comments: CommentService
) -> None:
    day.runs_until(at(5, 11))
    comments.add(**by(jo, ticket), text="Or is it the router?")
    day.runs_until(at(10, 10))
    assert "waiting_ask" not in day.history(ticket)
    day.runs_until(at(10, 12))
    assert day.history(ticket) == ["waiting_ask"]


def test_a_note_is_no_question(
    day: Day, jo: User, eve: User, ticket: Ticket, comments: CommentService
) -> None:
    day.runs_until(at(5, 11))
    comments.add(**by(jo, ticket), text="Away?", internal=True)
    day.runs_until(at(5, 12))
    assert day.history(ticket) == ["waiting_ask"]


def test_as_many_days_as_the_admins_say(day: Day, jo: User, eve: User) -> None:
    wanted = TargetFields.from_targets(Targets(waiting_days=1, auto_complete_days=2))
    TeamSettings(day.db).write_targets(actor=OPERATOR, submitted=wanted)
    ticket = waiting(day, jo, eve)
    day.runs_until(at(3, 12))
    assert told(day, eve) == [ASKED]
    day.runs_until(at(5, 12))
    assert day.now(ticket).status is Status.COMPLETED


def test_after_a_pause_of_the_jobs_nobody_is_closed_unasked(
    day: Day, eve: User, ticket: Ticket
) -> None:
    day.goes_on_at(at(20, 12))
    assert told(day, eve) == [ASKED]
    assert day.now(ticket).status is Status.WAITING
    day.runs_until(at(26, 11))
    assert day.now(ticket).status is Status.WAITING
    day.runs_until(at(26, 12))
    assert told(day, eve) == [NOT_ANSWERED, CLOSED]


def test_each_once_whoever_takes_it(day: Day, jo: User, eve: User) -> None:
    asked = [waiting(day, jo, eve, f"VPN {number}") for number in range(4)]
    for moment, kinds in ((at(5, 12), ["waiting_ask"]), (at(11, 12), ["waiting_ask"])):
        day.clock.now = moment
        at_once(*[lambda: [day.steps.take(ticket) for ticket in day.steps.due()]] * 3)
        assert [day.history(ticket) for ticket in asked] == [kinds] * 4
    assert [
        [event.type for event in day.now(ticket).events].count(EventType.UNANSWERED)
        for ticket in asked
    ] == [1] * 4


def test_nobody_is_asked_at_night_or_while_away(day: Day, jo: User) -> None:
    """Eve's day begins when business hours end, and then she is absent until Friday."""
    eve = day.moderator(timezone="America/Los_Angeles")
    ticket = waiting(day, jo, eve)
    day.runs_until(at(5, 16, 30))
    assert told(day, eve) == []
    away = {"until": at(6, 19), "source": "self"}
    day.db.users.update_one({"_id": eve.id}, {"$set": {"away": away}})
    day.runs_until(at(6, 18))
    assert told(day, eve) == []
    day.runs_until(at(6, 19))
    assert told(day, eve) == [ASKED]
    away["until"] = at(31, 19) + timedelta(days=9)  # a long absence does not hold up the ticket
    day.db.users.update_one({"_id": eve.id}, {"$set": {"away": away}})
    day.runs_until(at(13, 9))
    assert day.now(ticket).status is Status.COMPLETED


def test_closing_makes_room_for_one_more(day: Day, jo: User, eve: User, ticket: Ticket) -> None:
    day.db.users.update_one({"_id": jo.id}, {"$set": {"capacity": 1}})
    unassigned = day.file(eve, "VPN again")
    assert unassigned.assigned_to is None
    day.runs_until(at(11, 12))
    day.deliver(unassigned)
    assert day.now(unassigned).assigned_to == jo.id


def test_whoever_is_not_in_slack_is_not_told(day: Day, jo: User) -> None:
    eve = day.people.add(Role.USER, linked=False)
    ticket = waiting(day, jo, eve)
    day.runs_until(at(12, 9))
    assert day.now(ticket).status is Status.COMPLETED
