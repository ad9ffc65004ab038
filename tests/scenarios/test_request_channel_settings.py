"""An admin adds, edits and removes request channels; events and a job follow their state."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.handlers.request_channels import NO_MODE, NOT_INVITED
from services.channels.channel_settings import (
    ARCHIVED,
    CHECK_INTERVAL,
    FULL,
    IS_LISTED,
    IS_TRIAGE,
    NOT_LISTED,
    NOT_PRIVATE,
    SHARED,
)
from services.channels.request_channels import (
    MAX_CHANNELS,
    ChannelMode,
    ChannelState,
    RequestChannel,
    find_request_channel,
    load_request_channels,
)
from services.channels.slack_channel import SlackChannel
from services.core import legacy_backend
from services.core.database import Mongo
from services.core.leases import Lease
from services.core.optimistic_retry import BUSY
from services.core.slack_scopes import GrantedScopes, record_granted_scopes
from services.models.permissions import OPERATOR, Actor
from services.models.user import Role, User
from services.team_settings.settings_service import IS_REQUEST_CHANNEL
from tasks.queue.celery_app import CHANNELS_TASK
from tasks.queue.job_registry import JOBS, JobContext
from tests.conftest import Bot, FixedClock, People, RecordingPublisher, at_once
from tests.support import payloads
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.home_visitor import Visitor
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import BOT_USER_ID, TEAM_ID, TRIAGE

pytest_plugins = ["tests.support.scenario"]

IT_HELP, HR = "C0ITHELP", "C0HR"
MEMBER = {"is_member": True}
PRIVATE = {**MEMBER, "is_private": True}


@pytest.fixture
def ada(system: BotAndWorkers, slack: RecordingSlack, admin: User) -> Visitor:
    """An admin on the settings screen."""
    visitor = Visitor(system.bot, slack, admin)
    visitor.open()
    visitor.press("Settings")
    slack.add_channel(IT_HELP)
    slack.add_channel(HR, **PRIVATE)
    return visitor


def add(ada: Visitor, channel: str = IT_HELP, **values: Any) -> dict[str, Any]:
    ada.press("Add channel")
    return ada.submit(channel=channel, **values)


def stored(db: Mongo, channel: str = IT_HELP) -> RequestChannel:
    return load_request_channels(db)[TEAM_ID, channel]


def section(ada: Visitor) -> list[str]:
    """What the screen says about the request channels."""
    seen = ada.see()
    begin = seen.index("Request channels") + 1
    return seen[begin : seen.index("Add channel")]


def changes(db: Mongo, channel: str = IT_HELP) -> list[tuple[Any, ...]]:
    found = db.audit.find({"subject": f"{TEAM_ID}:{channel}"}).sort("_id")
    return [(entry["by"], entry["action"], entry["from"], entry["to"]) for entry in found]


def send(bot: Bot, kind: str, channel: Any = IT_HELP, **fields: Any) -> dict[str, Any]:
    return bot.answer(payloads.event({"type": kind, "channel": channel, **fields}))


def bot_is_invited(bot: Bot, slack: RecordingSlack, channel: str) -> None:
    slack.workspace.channels[channel] |= MEMBER
    joined = {"user": BOT_USER_ID, "channel_type": "C", "team": TEAM_ID}
    assert send(bot, "member_joined_channel", channel, **joined) == {}


def test_an_admin_adds_a_channel_and_the_bot_joins_it(
    ada: Visitor, db: Mongo, admin: User, clock: FixedClock
) -> None:
    assert add(ada) == {}
    assert section(ada) == [
        f"*<#{IT_HELP}>*\nEvery message becomes a ticket · Tickets are not private · "
        "Emoji actions are off",
        "Edit",
        "Remove",
    ]
    at = clock()
    added = RequestChannel(
        TEAM_ID, IT_HELP, ChannelMode.EVERY_MESSAGE, by=admin.id, at=at, checked_at=at,
        name="ithelp",
    )  # fmt: skip
    assert find_request_channel(db, team_id=TEAM_ID, channel=IT_HELP) == added
    chosen = {"mode": "every_message", "private": False, "emoji": False}
    assert changes(db) == [(admin.id, "channel.added", None, chosen)]


def test_without_the_scope_to_join_the_admin_reads_how_to_invite_the_app(
    ada: Visitor, system: BotAndWorkers, slack: RecordingSlack, db: Mongo
) -> None:
    record_granted_scopes(db, GrantedScopes(frozenset({"chat:write", "channels:read"})))
    assert add(ada) == {}
    assert slack.calls_to("conversations.join") == []
    invite = "Off, because this app is not in the channel. Invite it there: `/invite @Help desk`"
    assert invite in section(ada)[0]
    assert find_request_channel(db, team_id=TEAM_ID, channel=IT_HELP) is None
    bot_is_invited(system.bot, slack, IT_HELP)
    assert stored(db).is_active
    ada.open()
    assert "Off" not in section(ada)[0]


@pytest.mark.parametrize(
    ("channel", "about", "sentence"),
    [
        ("C0OLD", {"is_archived": True}, ARCHIVED),
        ("C0CLOSED", {"is_private": True}, NOT_INVITED),
        ("C0CONNECT", {**MEMBER, "is_ext_shared": True}, SHARED),
        ("C0SOON", {**MEMBER, "is_pending_ext_shared": True}, SHARED),
        ("C0ORG", {**MEMBER, "is_org_shared": True, "is_shared": True}, SHARED),
        (TRIAGE, MEMBER, IS_TRIAGE),
        ("D0SOMEONE", None, "Choose a channel."),
        (None, None, "Choose a channel."),
    ],
)
def test_a_channel_that_cannot_be_used_is_refused_beside_its_field(
    ada: Visitor,
    system: BotAndWorkers,
    slack: RecordingSlack,
    db: Mongo,
    admin: User,
    channel: str,
    about: Mapping[str, Any] | None,
    sentence: str,
) -> None:
    if about:
        slack.add_channel(channel, **about)
    settings = system.runtime.services.team_settings
    settings.set_slack_settings(actor=Actor.from_user(admin), triage_channel=TRIAGE)
    assert add(ada, channel)["errors"] == {"channel": sentence}
    assert load_request_channels(db) == {}


def test_a_request_channel_does_not_become_the_triage_channel(ada: Visitor, db: Mongo) -> None:
    add(ada)
    ada.press("Change channel or emoji")
    assert ada.submit(triageChannel=IT_HELP)["errors"] == {"triageChannel": IS_REQUEST_CHANNEL}


def test_the_tickets_of_a_private_channel_are_private_until_an_admin_says_otherwise(
    ada: Visitor, slack: RecordingSlack, db: Mongo, admin: User
) -> None:
    add(ada, HR)
    assert stored(db, HR).is_private
    assert "Tickets are private" in section(ada)[0]
    ada.press("Edit")
    form = str(slack.last_view())
    assert "Moderators and the triage channel will see what is written here." in form
    assert ada.submit(private=["off"]) == {}
    assert not stored(db, HR).is_private
    assert (admin.id, "channel.private", True, False) in changes(db, HR)


def test_the_form_of_a_public_channel_has_no_such_choice(
    ada: Visitor, slack: RecordingSlack
) -> None:
    add(ada, private=["off"])
    ada.press("Edit")
    assert [b["block_id"] for b in slack.last_view()["blocks"] if b["type"] == "input"] == [
        "mode",
        "emoji",
    ]


def test_private_tickets_that_are_not_available_are_named_beside_the_field(
    ada: Visitor, db: Mongo, clock: FixedClock
) -> None:
    legacy_backend.record_write(db, clock())
    assert add(ada, HR, mode="on_request")["errors"] == {"private": NOT_PRIVATE}
    assert ada.submit(channel=HR, private=["off"]) == {}
    ada.press("Edit")
    assert ada.submit(private=[])["errors"] == {"private": NOT_PRIVATE}


def test_only_what_was_changed_is_stored(ada: Visitor, db: Mongo, admin: User) -> None:
    add(ada, emoji=["on"])
    ada.press("Edit")
    before = changes(db)
    db.channels.update_one({}, {"$set": {"emoji": False}})  # by another admin
    assert ada.submit(mode="on_request") == {}
    channel = stored(db)
    assert (channel.mode, channel.has_emoji_actions) == (ChannelMode.ON_REQUEST, False)
    mode = (admin.id, "channel.mode", "every_message", "on_request")
    assert changes(db) == [*before, mode]
    ada.press("Edit")
    assert ada.submit() == {}
    assert len(changes(db)) == len(before) + 1


def test_a_press_more_changes_nothing(ada: Visitor, db: Mongo) -> None:
    add(ada)
    assert ada.submit(channel=IT_HELP) == {}
    assert len(changes(db)) == 1
    assert ada.submit(channel=IT_HELP, emoji=["on"])["errors"] == {"channel": IS_LISTED}
    for _ in range(2):
        ada.press("Remove") if "Remove" in ada.see() else None
        assert ada.submit() == {}
    assert load_request_channels(db) == {}
    assert [action for _, action, *_ in changes(db)] == ["channel.added", "channel.removed"]


def test_a_channel_is_removed_while_another_admin_edits_it(ada: Visitor, db: Mongo) -> None:
    add(ada)
    ada.press("Edit")
    db.channels.delete_one({})
    assert ada.submit(mode="on_request")["errors"] == {"mode": NOT_LISTED}


def test_there_are_at_most_twenty(ada: Visitor, slack: RecordingSlack, db: Mongo) -> None:
    others = [RequestChannel(TEAM_ID, f"C0NR{number}", ChannelMode.ON_REQUEST)
              for number in range(MAX_CHANNELS - 1)]  # fmt: skip
    db.channels.insert_many([channel.to_doc() for channel in others])
    assert add(ada) == {}
    slack.add_channel("C0TOOMANY")
    assert add(ada, "C0TOOMANY")["errors"] == {"channel": FULL}


def test_admins_who_choose_at_once_wait_for_each_other(
    ada: Visitor, system: BotAndWorkers, db: Mongo, admin: User, clock: FixedClock
) -> None:
    with Lease(db, "channels", clock=clock):
        assert add(ada)["errors"] == {"channel": BUSY}
    team = system.runtime.services.team_settings
    actor = Actor.from_user(admin)
    _, refused = at_once(
        lambda: ada.submit(channel=IT_HELP),
        lambda: team.set_slack_settings(actor=actor, triage_channel=IT_HELP),
    )
    is_triage = db.settings.count_documents({"_id": "slack", "triageChannel": IT_HELP})
    assert is_triage + len(load_request_channels(db)) == 1
    assert bool(refused) is not bool(is_triage)


def test_what_was_entered_is_kept_while_slack_is_down(
    ada: Visitor, slack: RecordingSlack, db: Mongo
) -> None:
    ada.press("Add channel")
    slack.fail("conversations.info", status=500)
    answer = ada.submit(channel=IT_HELP)
    assert answer["response_action"] == "errors"
    assert "Slack had a problem just now" in answer["errors"]["channel"]
    assert ada.submit(channel=IT_HELP) == {}
    assert stored(db).is_active


def test_a_channel_that_cannot_be_joined_now_is_stored_all_the_same(
    ada: Visitor, slack: RecordingSlack, db: Mongo
) -> None:
    slack.fail("conversations.join", status=500)
    assert add(ada) == {}
    assert stored(db).state is ChannelState.NOT_A_MEMBER
    ada.press("Edit")
    assert ada.submit() == {}
    assert stored(db).is_active


def test_a_form_that_no_client_sends(ada: Visitor) -> None:
    ada.press("Add channel")
    forged = {"selected_option": {"value": "all", "text": {"type": "plain_text", "text": "x"}}}
    assert ada.submit(channel=IT_HELP, mode=forged)["errors"] == {"mode": NO_MODE}


def test_other_roles_may_not(
    system: BotAndWorkers, slack: RecordingSlack, ada: Visitor, people: People, db: Mongo
) -> None:
    ada.press("Add channel")
    form = slack.last_view()
    eve = people.add(Role.MODERATOR)
    sent = payloads.view_submission(form, {"channel": IT_HELP}, user=People.slack_id(eve))
    assert "Your role does not allow you" in str(system.bot.answer(sent))
    assert load_request_channels(db) == {}


def test_the_admin_who_set_a_channel_is_merged_and_erased(
    ada: Visitor, system: BotAndWorkers, people: People, db: Mongo, admin: User
) -> None:
    add(ada)
    services, older = system.runtime.services, people.add(Role.ADMIN, linked=False)
    services.address_claims.merge(admin, into=older)
    assert stored(db).by == older.id
    people.add(Role.ADMIN)
    services.erasure.erase(actor=OPERATOR, email=older.email)
    assert stored(db).by is None


@pytest.mark.parametrize(
    ("kind", "about", "state"),
    [
        ("channel_archive", {"is_archived": True}, ChannelState.ARCHIVED),
        ("channel_left", {"is_member": False}, ChannelState.NOT_A_MEMBER),
        ("channel_shared", {"is_ext_shared": True}, ChannelState.SHARED),
    ],
)
def test_an_event_switches_a_channel_off_and_another_one_on(
    ada: Visitor,
    system: BotAndWorkers,
    slack: RecordingSlack,
    db: Mongo,
    kind: str,
    about: dict[str, bool],
    state: ChannelState,
) -> None:
    add(ada)
    slack.workspace.channels[IT_HELP] |= about
    for _ in range(2):
        assert send(system.bot, kind) == {}
        assert stored(db).state is state
    assert find_request_channel(db, team_id=TEAM_ID, channel=IT_HELP) is None
    slack.workspace.channels[IT_HELP] |= {name: not value for name, value in about.items()}
    if kind == "channel_left":
        bot_is_invited(system.bot, slack, IT_HELP)
    else:
        assert send(system.bot, "channel_unarchive") == {}
    assert find_request_channel(db, team_id=TEAM_ID, channel=IT_HELP) == stored(db)


def test_a_renamed_channel(
    ada: Visitor, system: BotAndWorkers, slack: RecordingSlack, db: Mongo
) -> None:
    add(ada)
    slack.workspace.channels[IT_HELP]["name"] = "it-support"
    renamed = {"id": IT_HELP, "name": "it-support", "created": 1}
    assert send(system.bot, "channel_rename", renamed) == {}
    assert stored(db).name == "it-support"


def test_the_bot_is_removed_from_a_private_channel_which_is_then_deleted(
    ada: Visitor, system: BotAndWorkers, slack: RecordingSlack, db: Mongo
) -> None:
    add(ada, HR)
    slack.workspace.channels[HR]["is_member"] = False
    send(system.bot, "group_left", HR)
    assert stored(db, HR).state is ChannelState.NOT_A_MEMBER
    send(system.bot, "group_deleted", HR)
    send(system.bot, "group_left", HR)  # late
    assert stored(db, HR).state is ChannelState.MISSING
    ada.open()
    assert "#hr" in section(ada)[0]


def test_a_channel_that_becomes_private_has_private_tickets(
    ada: Visitor, system: BotAndWorkers, slack: RecordingSlack, db: Mongo
) -> None:
    add(ada)
    slack.workspace.channels[IT_HELP]["is_private"] = True
    send(system.bot, "channel_rename", {"id": IT_HELP, "name": "ithelp"})
    assert stored(db).is_private
    assert ("system", "channel.private", False, True) in changes(db)


def test_a_channel_that_becomes_public_has_no_private_tickets(
    ada: Visitor, system: BotAndWorkers, slack: RecordingSlack, db: Mongo
) -> None:
    add(ada, HR)
    assert stored(db, HR).is_private
    slack.workspace.channels[HR]["is_private"] = False
    send(system.bot, "channel_rename", {"id": HR, "name": "hr"})
    assert not stored(db, HR).is_private
    assert changes(db, HR)[-1] == ("system", "channel.private", True, False)


def test_a_private_channel_that_is_shared_gets_a_new_id(
    ada: Visitor, system: BotAndWorkers, slack: RecordingSlack, db: Mongo
) -> None:
    add(ada, HR)
    slack.add_channel("C0NEWHR", **PRIVATE, is_ext_shared=True)
    changed = {"old_channel_id": HR, "new_channel_id": "C0NEWHR"}
    for _ in range(2):
        assert send(system.bot, "channel_id_changed", **changed) == {}
    (channel,) = load_request_channels(db).values()
    assert (channel.id, channel.state) == ("C0NEWHR", ChannelState.SHARED)
    ids = tuple(f"{TEAM_ID}:{one}" for one in (HR, "C0NEWHR"))
    assert changes(db, "C0NEWHR") == [("system", "channel.id", *ids)]


def test_an_answer_that_is_older_than_the_stored_one_is_dropped(
    ada: Visitor, system: BotAndWorkers, db: Mongo, clock: FixedClock
) -> None:
    add(ada)
    settings = system.runtime.services.channel_settings
    asked = clock()

    def slow() -> SlackChannel | None:
        clock.advance(seconds=1)
        settings.check(TEAM_ID, IT_HELP, lambda: active)
        return None

    active = SlackChannel(IT_HELP, "newer", is_private=False, state=ChannelState.ACTIVE)
    settings.check(TEAM_ID, IT_HELP, slow)
    channel = stored(db)
    assert (channel.is_active, channel.name) == (True, "newer")
    assert channel.checked_at == asked + timedelta(seconds=1)


def test_slack_sends_an_event_again_while_it_does_not_say_how_the_channel_is(
    ada: Visitor, system: BotAndWorkers, slack: RecordingSlack, db: Mongo
) -> None:
    add(ada)
    slack.workspace.channels[IT_HELP]["is_archived"] = True
    slack.fail("conversations.info", status=500)
    event = payloads.event({"type": "channel_archive", "channel": IT_HELP, "user": "U0X"})
    assert system.bot.send(event).status == 503
    assert stored(db).is_active
    assert system.bot.send(event).status == 200
    assert stored(db).state is ChannelState.ARCHIVED


def test_events_about_others_ask_nothing(
    ada: Visitor, system: BotAndWorkers, slack: RecordingSlack, db: Mongo
) -> None:
    add(ada)
    slack.clear()
    send(system.bot, "member_joined_channel", user="U0SOMEONE", channel_type="C", team=TEAM_ID)
    send(system.bot, "channel_archive", "C0ELSEWHERE")
    assert slack.calls == []


def work_hourly(system: BotAndWorkers, publisher: RecordingPublisher) -> int:
    """Run the job, and what it publishes; return how many tasks."""
    services = system.runtime.services
    JOBS["channels"].run(JobContext(services, publisher, lambda: True))
    number = publisher.asked.count((CHANNELS_TASK, ""))
    system.work()
    return number


def test_slack_is_asked_once_an_hour(
    ada: Visitor,
    system: BotAndWorkers,
    slack: RecordingSlack,
    db: Mongo,
    publisher: RecordingPublisher,
    clock: FixedClock,
) -> None:
    add(ada)
    add(ada, HR)
    slack.workspace.channels[IT_HELP]["is_archived"] = True  # without an event
    slack.workspace.channels[HR]["is_member"] = False
    clock.advance(seconds=CHECK_INTERVAL.total_seconds())
    slack.fail("conversations.info", status=429, retry_after=30)
    assert work_hourly(system, publisher) == 1
    assert stored(db).is_active
    assert work_hourly(system, publisher) == 0  # paused
    clock.advance(seconds=31)
    assert work_hourly(system, publisher) == 1
    assert stored(db).state is ChannelState.ARCHIVED
    assert stored(db, HR).state is ChannelState.NOT_A_MEMBER
    assert work_hourly(system, publisher) == 0
    record_granted_scopes(db, GrantedScopes(frozenset({"channels:read"})))
    clock.advance(seconds=CHECK_INTERVAL.total_seconds())
    slack.clear()
    work_hourly(system, publisher)
    assert [call.args["channel"] for call in slack.calls_to("conversations.info")] == [IT_HELP]


def test_a_variable_makes_it_the_triage_channel(
    ada: Visitor, system: BotAndWorkers, db: Mongo, publisher: RecordingPublisher
) -> None:
    add(ada)
    services = replace(system.runtime.services, triage_channel=IT_HELP)
    system.runtime = replace(system.runtime, services=services)
    assert work_hourly(system, publisher) == 1
    assert stored(db).state is ChannelState.TRIAGE
    assert work_hourly(system, publisher) == 0
