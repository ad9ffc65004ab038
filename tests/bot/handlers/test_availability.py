"""The availability modal, own and others' for admins, the hand-over offer, and member events."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.slack.bot_process import BotProcess
from bot.views import ids
from services.accounts.users import UserService
from services.auth.one_time_codes import OneTimeCodes
from services.availability.slack_status import NO_END
from services.availability.status_sync import StatusSync
from services.core.database import Mongo, connect
from services.core.installation import claim_installation
from services.linking.links import LinkService
from services.linking.member_sync import MemberSync
from services.models.ticket import Status
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tasks.queue.celery_app import NOTIFY_TASK, STATUS_SYNC_TASK
from tasks.runtime import Runtime
from tests.conftest import (
    NOBODY_LISTENS,
    Bot,
    FixedClock,
    People,
    RecordingPublisher,
    file_ticket,
    inline_bot,
    reload,
    with_services,
    work,
)
from tests.support import payloads
from tests.support.block_text import read
from tests.support.canary import FILED
from tests.support.home_visitor import Visitor
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

Json = dict[str, Any]


@pytest.fixture
def his(ticket_bot: Bot, slack: RecordingSlack, nils: User) -> Visitor:
    visitor = Visitor(ticket_bot, slack, nils)
    visitor.open()
    return visitor


@pytest.fixture
def hers(ticket_bot: Bot, slack: RecordingSlack, people: People) -> Visitor:
    """An admin's."""
    visitor = Visitor(ticket_bot, slack, people.add(Role.ADMIN))
    visitor.open()
    return visitor


def stored(db: Mongo, user: User) -> Json:
    return db.users.find_one({"_id": user.id}) or {}


def at(moment: datetime) -> Json:
    """Return the state of the date and time picker."""
    return {"selected_date_time": int(moment.timestamp())}


def fields(slack: RecordingSlack) -> dict[str, Json]:
    return {b["block_id"]: b["element"] for b in slack.last_view()["blocks"] if "element" in b}


def test_away_until_a_time_and_back(
    his: Visitor, nils: User, slack: RecordingSlack, db: Mongo, clock: FixedClock
) -> None:
    until = (clock() + timedelta(hours=30)).replace(second=0, microsecond=0)
    his.press("My availability")
    assert "0 open tickets, at most 8 are assigned automatically" in read(slack.last_view())
    assert his.submit(presence="away", awayUntil=at(until)) == {}
    assert stored(db, nils)["away"] == {"until": until, "source": "self"}
    his.press("My availability")
    assert fields(slack)["presence"]["initial_option"]["value"] == "away"
    assert fields(slack)["awayUntil"]["initial_date_time"] == int(until.timestamp())
    assert his.submit() == {}  # no field was changed
    assert stored(db, nils)["away"]["until"] == until
    his.press("My availability")
    assert his.submit(presence="here") == {}
    assert "away" not in stored(db, nils)


def test_a_time_alone_means_away_and_an_emptied_one_back(
    his: Visitor, nils: User, db: Mongo, clock: FixedClock
) -> None:
    until = (clock() + timedelta(hours=3)).replace(second=0, microsecond=0)
    his.press("My availability")
    assert his.submit(awayUntil=at(until)) == {}
    assert stored(db, nils)["away"] == {"until": until, "source": "self"}
    his.press("My availability")
    assert his.submit(awayUntil={"selected_date_time": None}) == {}
    assert "away" not in stored(db, nils)


def test_a_seconds_difference_is_none(
    his: Visitor, nils: User, slack: RecordingSlack, db: Mongo, clock: FixedClock
) -> None:
    """The picker shows minutes only, and Slack sends those."""
    until = (clock() + timedelta(hours=3)).replace(second=42, microsecond=0)
    db.users.update_one({"_id": nils.id}, {"$set": {"away": {"until": until, "source": "admin"}}})
    his.press("My availability")
    assert his.submit(awayUntil=at(until.replace(second=0))) == {}
    assert stored(db, nils)["away"] == {"until": until, "source": "admin"}


def test_hours_country_and_zone(his: Visitor, nils: User, db: Mongo, slack: RecordingSlack) -> None:
    his.press("My availability")
    filled = {"days": ["0", "1", "2"], "start": "08:30", "end": "14:00", "country": "DE"}
    assert his.submit(**filled, zone="America/Lima") == {}
    doc = stored(db, nils)
    assert doc["workHours"] == {"days": [0, 1, 2], "start": "08:30", "end": "14:00"}
    assert (doc["country"], doc["timezone"], doc["zoneSource"]) == ("DE", "America/Lima", "self")
    his.press("My availability")
    assert fields(slack)["country"]["initial_option"]["text"]["text"] == "Germany"
    assert [option["value"] for option in fields(slack)["days"]["initial_options"]] == [
        "0", "1", "2"
    ]  # fmt: skip
    assert fields(slack)["start"]["initial_option"]["value"] == "08:30"
    assert his.submit(country=None, zone=None) == {}
    assert {"country", "zoneSource"} & stored(db, nils).keys() == set()


@pytest.mark.parametrize(
    ("filled", "errors"),
    [
        ({"presence": "away"}, {"awayUntil": "Choose the day and time of the return."}),
        (
            {"awayUntil": {"selected_date_time": 1_500_000_000}},
            {"awayUntil": "That is in the past. Choose a later time."},
        ),
        (
            {"awayUntil": {"selected_date_time": 0}},
            {"awayUntil": "That is in the past. Choose a later time."},
        ),
        (
            {"awayUntil": {"selected_date_time": 9_999_999_999}},
            {"awayUntil": "Choose a time within a year."},
        ),
        (
            {"awayUntil": {"selected_date_time": 10**30}},
            {"awayUntil": "Choose a day and a time."},
        ),
        ({"days": []}, {"days": "Choose at least one day of the week."}),
        ({"zone": "Atlantis"}, {"zone": "Choose a time zone such as Europe/Berlin."}),
        (
            {"country": "XX"},
            {"country": "Write a country's two letters such as DE, or leave it empty."},
        ),
    ],
)
def test_what_is_not_acceptable_is_said_beside_the_field(
    his: Visitor, nils: User, db: Mongo, filled: Json, errors: dict[str, str]
) -> None:
    before = stored(db, nils)
    his.press("My availability")
    assert his.submit(**filled) == {"response_action": "errors", "errors": errors}
    assert stored(db, nils) == before


def test_a_form_left_open_past_its_time_is_refused(his: Visitor, clock: FixedClock) -> None:
    until = clock() + timedelta(minutes=10)
    his.press("My availability")
    clock.advance(minutes=11)
    assert his.submit(awayUntil=at(until))["errors"] == {
        "awayUntil": "That is in the past. Choose a later time."
    }


def test_an_employee_has_no_such_button(
    ticket_bot: Bot, slack: RecordingSlack, people: People
) -> None:
    assert "My availability" not in Visitor(ticket_bot, slack, people.add()).open()


def test_countries_are_found_as_one_types(
    his: Visitor, ticket_bot: Bot, slack: RecordingSlack
) -> None:
    his.press("My availability")
    asked = payloads.block_suggestion(slack.last_view(), ids.COUNTRY, "united", user=his.slack_id)
    options = ticket_bot.answer(asked)["options"]
    assert {"text": {"type": "plain_text", "text": "United States", "emoji": True},
            "value": "US"} in options  # fmt: skip
    every = payloads.block_suggestion(slack.last_view(), ids.COUNTRY, "", user=his.slack_id)
    assert len(ticket_bot.answer(every)["options"]) == 100


def test_an_admin_sets_it_for_others(
    hers: Visitor, nils: User, slack: RecordingSlack, db: Mongo, clock: FixedClock
) -> None:
    until = (clock() + timedelta(hours=5)).replace(second=0, microsecond=0)
    hers.press("People")
    hers.press("Availability", number=1)
    assert nils.display_name in read(slack.last_view())
    assert hers.submit(presence="away", awayUntil=at(until), start="10:00") == {}
    doc = stored(db, nils)
    assert doc["away"] == {"until": until, "source": "admin"}
    assert doc["workHours"]["start"] == "10:00"
    assert any("away until" in text for text in hers.see())


@pytest.mark.parametrize("action", ["open", "save"])
def test_a_moderator_may_not_whatever_is_forged(
    his: Visitor,
    ticket_bot: Bot,
    slack: RecordingSlack,
    people: People,
    db: Mongo,
    action: str,
) -> None:
    lara = people.add(Role.MODERATOR)
    before = stored(db, lara)
    sentence = "Your role does not allow you to manage people. Ask an admin if it should."
    slack.clear()
    if action == "open":
        body = payloads.block_actions(
            slack.home(his.slack_id), ids.OPEN_AVAILABILITY, str(lara.id), user=his.slack_id
        )
        body["response_url"] = slack.response_url()
        ticket_bot.answer(body)
        assert slack.calls_to("views.open")[0].args["view"]["blocks"][0]["text"]["text"] == sentence
    else:
        his.press("My availability")
        view = {**slack.last_view(), "private_metadata": str(lara.id)}
        sent = payloads.view_submission(view, {"presence": "away"}, user=his.slack_id)
        assert sentence in str(ticket_bot.answer(sent))
    assert stored(db, lara) == before


# Slack's status events


def changed(slack: RecordingSlack, user: User, **profile: Any) -> Json:
    member = slack.add_member(
        People.slack_id(user), email=user.email, name=user.display_name, profile=profile
    )
    return payloads.event({"type": "user_change", "user": member})


def test_a_new_status_is_asked_about_at_once(
    ticket_bot: Bot,
    slack: RecordingSlack,
    nils: User,
    db: Mongo,
    runtime: Runtime,
    publisher: RecordingPublisher,
) -> None:
    claim_installation(db, team_id=TEAM_ID)
    assert ticket_bot.answer(changed(slack, nils, status_emoji=":palm_tree:")) == {}
    assert publisher.asked == [(STATUS_SYNC_TASK, "")]
    work(runtime, publisher)
    assert stored(db, nils)["away"] == {"until": NO_END, "source": "slack"}
    # Events without a relevant change cause no calls.
    slack.clear()
    for status in (":palm_tree:", ":desert_island:", ":bus:"):
        event = changed(slack, nils, status_emoji=status)
        publisher.asked.clear()
        ticket_bot.answer(event)
        assert bool(publisher.asked) == (status != ":palm_tree:")
        work(runtime, publisher)
    assert "away" not in stored(db, nils)


def test_an_old_event_does_not_count_against_what_slack_says_now(
    ticket_bot: Bot,
    slack: RecordingSlack,
    nils: User,
    db: Mongo,
    runtime: Runtime,
    publisher: RecordingPublisher,
) -> None:
    claim_installation(db, team_id=TEAM_ID)
    late = changed(slack, nils, status_text="Vacation")
    changed(slack, nils)
    ticket_bot.answer(late)
    work(runtime, publisher)
    assert "away" not in stored(db, nils)


def test_what_could_not_be_kept_is_sent_again(
    bot_process: BotProcess, slack: RecordingSlack, nils: User
) -> None:
    nowhere = connect(NOBODY_LISTENS)
    cut_off = with_services(bot_process, status_sync=StatusSync(nowhere))
    bot_of = inline_bot(cut_off)
    assert bot_of.send(changed(slack, nils, status_text="Vacation")).status == 503
    nowhere.client.close()


# The hand-over offer


@pytest.fixture
def offered(
    his: Visitor,
    nils: User,
    people: People,
    slack: RecordingSlack,
    tickets: TicketService,
    db: Mongo,
    clock: FixedClock,
    runtime: Runtime,
    publisher: RecordingPublisher,
) -> Json:
    """Nils has two open tickets and goes away; return the offer to hand them over."""
    claim_installation(db, team_id=TEAM_ID)
    for _ in range(2):
        ticket = file_ticket(tickets, people.add())
        busy = {"assignedTo": nils.id, "status": "IN_PROGRESS", "outbox": False}
        db.tickets.update_one({"_id": ticket.id}, {"$set": busy, "$unset": {"nextTryAt": ""}})
    his.press("My availability")
    assert his.submit(presence="away", awayUntil=at(clock() + timedelta(days=3))) == {}
    work(runtime, publisher)
    (message,) = slack.messages(his.slack_id)
    return message


def press(
    bot: Bot, slack: RecordingSlack, message: Json, action_id: str, *, user: str
) -> list[str]:
    """Press a button of the message; return the texts of what replaces it."""
    url = slack.response_url()
    body = payloads.block_actions(message, action_id, user=user, response_url=url)
    assert bot.answer(body) == {}
    (answer,) = slack.calls_to("response_url")[-1:]
    assert answer.args["replace_original"] is True
    return read(answer.args)


def test_handed_over_tickets_go_to_another_moderator(
    ticket_bot: Bot,
    slack: RecordingSlack,
    his: Visitor,
    offered: Json,
    people: People,
    db: Mongo,
    runtime: Runtime,
    publisher: RecordingPublisher,
) -> None:
    lara = people.add(Role.MODERATOR, "VPN")
    assert "Hand over my 2 open tickets" in read(offered)
    done = "Handed over: your 2 open tickets. The card of each says who has it now."
    for _ in range(2):
        seen = press(ticket_bot, slack, offered, ids.HAND_OVER, user=his.slack_id)
        assert seen == [done]
    work(runtime, publisher)
    found = list(db.tickets.find(FILED, ["assignedTo", "status"]))
    assert {doc["assignedTo"] for doc in found} == {lara.id}
    assert {doc["status"] for doc in found} == {Status.IN_PROGRESS}
    assert len(slack.messages(People.slack_id(lara))) == 2
    assert len(slack.messages(his.slack_id)) == 1  # no one is notified of their own action


def test_kept_they_stay(
    ticket_bot: Bot, slack: RecordingSlack, his: Visitor, nils: User, offered: Json, db: Mongo
) -> None:
    seen = press(ticket_bot, slack, offered, ids.KEEP_TICKETS, user=his.slack_id)
    assert seen == ["You keep 2 open tickets. Each can still be reassigned on its card."]
    assert db.tickets.count_documents({"assignedTo": nils.id}) == 2


def test_after_the_return_the_offer_is_over(
    ticket_bot: Bot, slack: RecordingSlack, his: Visitor, nils: User, offered: Json, db: Mongo
) -> None:
    his.press("My availability")
    assert his.submit(presence="here") == {}
    seen = press(ticket_bot, slack, offered, ids.HAND_OVER, user=his.slack_id)
    assert seen == ["This offer is out of date. Nothing was handed over."]
    assert db.tickets.count_documents({"assignedTo": nils.id}) == 2


def test_a_press_by_another_user_is_refused(
    ticket_bot: Bot,
    slack: RecordingSlack,
    his: Visitor,
    nils: User,
    offered: Json,
    people: People,
    db: Mongo,
) -> None:
    lara = people.add(Role.MODERATOR)
    body = payloads.block_actions(offered, ids.HAND_OVER, user=People.slack_id(lara))
    slack.clear()
    ticket_bot.answer(body)
    (said,) = slack.calls_to("chat.postEphemeral")
    assert said.args["text"] == (
        "Your role does not allow you to manage people. Ask an admin if it should."
    )
    assert db.tickets.count_documents({"assignedTo": nils.id}) == 2


# Changes of a Slack member


def changed_member(slack: RecordingSlack, slack_id: str, email: str, **changes: Any) -> Json:
    member = slack.add_member(slack_id, email=email, name="Changed", **changes)
    return payloads.event({"type": "user_change", "user": member})


def test_the_tickets_of_a_member_deactivated_in_slack_are_released(
    ticket_bot: Bot,
    slack: RecordingSlack,
    people: People,
    links: LinkService,
    tickets: TicketService,
    publisher: RecordingPublisher,
    db: Mongo,
) -> None:
    nils = people.add(Role.MODERATOR)
    slack_id = People.slack_id(nils)
    ticket = file_ticket(tickets, people.add())
    at_work = {"assignedTo": nils.id, "status": Status.IN_PROGRESS}
    db.tickets.update_one({"_id": ticket.id}, {"$set": at_work})
    event = changed_member(slack, slack_id, nils.email, deleted=True)
    for _ in range(2):  # Slack may repeat an event
        assert ticket_bot.answer(event) == {}
    assert publisher.asked == [(NOTIFY_TASK, str(ticket.id))]
    assert reload(db, ticket).assigned_to is None
    assert links.find_user(team_id="T0TEAM", slack_user_id=slack_id) is None
    assert ticket_bot.answer(changed_member(slack, slack_id, nils.email)) == {}
    assert links.find_user(team_id="T0TEAM", slack_user_id=slack_id) == nils


def test_a_guest_is_refused_from_then_on_and_let_in_again(
    ticket_bot: Bot, slack: RecordingSlack, people: People, links: LinkService, db: Mongo
) -> None:
    user = people.add()
    slack_id = People.slack_id(user)
    ticket_bot.answer(changed_member(slack, slack_id, user.email, is_restricted=True))
    command = payloads.slash_command("list", user=slack_id)
    assert ticket_bot.answer(command)["text"] == (
        "Guests cannot use this app. Ask a full member of this workspace to file the ticket."
    )
    # The member is a full one again, but that event was lost.
    slack.add_member(slack_id, email=user.email, name="Changed")
    assert "blocks" in ticket_bot.answer(payloads.slash_command("list", user=slack_id))
    assert links.find_user(team_id="T0TEAM", slack_user_id=slack_id) == user
    assert "stopped" not in (db.links.find_one() or {})


def test_what_slack_says_now_counts_not_what_it_said_then(
    ticket_bot: Bot, slack: RecordingSlack, people: People, links: LinkService
) -> None:
    """Events arrive late and out of order."""
    user = people.add()
    slack_id = People.slack_id(user)
    old = changed_member(slack, slack_id, user.email, deleted=True)
    slack.add_member(slack_id, email=user.email, name="Changed")
    assert ticket_bot.answer(old) == {}
    assert links.find_user(team_id="T0TEAM", slack_user_id=slack_id) == user


def test_a_member_slack_knows_no_longer_is_gone(
    ticket_bot: Bot, slack: RecordingSlack, people: People, links: LinkService
) -> None:
    user = people.add()
    slack_id = People.slack_id(user)
    event = changed_member(slack, slack_id, user.email, deleted=True)
    slack.fail("users.info", error="user_not_found")
    assert ticket_bot.answer(event) == {}
    assert links.find_user(team_id="T0TEAM", slack_user_id=slack_id) is None


def test_a_new_address_is_followed(
    ticket_bot: Bot, slack: RecordingSlack, people: People, users: UserService
) -> None:
    user = people.add()
    event = changed_member(slack, People.slack_id(user), "married@example.com")
    assert ticket_bot.answer(event) == {}
    assert [found.id for found in users.find_by_email("married@example.com")] == [user.id]


def test_slack_is_not_asked_about_every_new_status(
    ticket_bot: Bot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    user, somebody = people.add(), people.add()
    db.users.update_one({"_id": user.id}, {"$set": {"password": "$2b$04$hash"}})
    db.links.delete_one({"userId": somebody.id})
    events = [
        changed_member(slack, People.slack_id(user), "other@example.com"),
        changed_member(slack, People.slack_id(somebody), somebody.email, deleted=True),
        changed_member(slack, "U0NOBODY", "nobody@example.com"),
    ]
    slack.clear()
    for event in events:
        assert ticket_bot.answer(event) == {}
    assert slack.calls == []


@pytest.mark.parametrize("away", ["slack", "database"])
def test_what_could_not_be_followed_is_sent_again(
    bot_process: BotProcess,
    slack: RecordingSlack,
    people: People,
    links: LinkService,
    codes: OneTimeCodes,
    away: str,
) -> None:
    user = people.add()
    slack_id = People.slack_id(user)
    event = changed_member(slack, slack_id, user.email, deleted=True)
    nowhere = connect(NOBODY_LISTENS)
    if away == "slack":
        slack.fail("users.info", status=500)
    else:
        lost = MemberSync(nowhere, UserService(nowhere), codes)
        bot_process = with_services(bot_process, member_sync=lost)
    assert inline_bot(bot_process).send(event).status == 503
    nowhere.client.close()
    assert links.find_user(team_id="T0TEAM", slack_user_id=slack_id) == user
