"""The daily digest: who gets it, when, how often, and what it says."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk import WebClient

from bot.views.messages.digest import digest_message
from services.calendar.business_hours import BusinessHours
from services.core.database import Mongo
from services.core.errors import PermissionDenied
from services.core.installation import claim_installation
from services.digest.digest_service import (
    MAX_CHECK_INTERVAL,
    AssigneeCounts,
    DigestCounts,
    DigestDay,
    Digests,
    QueueCounts,
    SendWindow,
    TeamActivity,
    send_window,
)
from services.models.permissions import OPERATOR, Actor
from services.models.user import Role, User
from services.registry.services import Services
from services.sla.queue_key import queue_key
from services.team_settings.settings_service import TeamSettings
from services.tickets.access import visible_to
from services.tickets.filing import TicketService
from tasks.notifications import digest
from tasks.processes.scheduler import Scheduler
from tasks.queue.celery_app import DIGEST_TASK
from tasks.queue.publisher import PublishFailed
from tests.conftest import (
    Bot,
    Commands,
    FixedClock,
    People,
    at_once,
    reload,
)
from tests.support import payloads
from tests.support.bot_and_workers import BotAndWorkers, buttons
from tests.support.escalation_day import texts
from tests.support.recording_slack import TOKEN, RecordingSlack
from tests.support.slack_workspace import TEAM_ID

BERLIN = ZoneInfo("Europe/Berlin")
BUSINESS_HOURS = BusinessHours(zone="Europe/Berlin", country="DE", is_configured=True)
WEEK = {"days": [0, 1, 2, 3, 4], "start": "09:00", "end": "17:00"}


def local(day: int, hour: int, minute: int = 0, *, month: int = 3) -> datetime:
    """2026 in Berlin: 2 March is a Monday, summer time begins on the 29th."""
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


def today(now: datetime, **account: Any) -> DigestDay | None:
    return send_window(account, BUSINESS_HOURS, now=now).today


@pytest.mark.parametrize(
    ("now", "is_so"),
    [
        (local(3, 8, 59), False),
        (local(3, 9), True),
        (local(3, 11, 59), True),
        (local(3, 12), False),
        (local(3, 23), False),
        (local(7, 9), False),  # a Saturday
        (local(3, 9, month=4), False),  # Good Friday
        (local(30, 9), True),  # summer time
    ],
)
def test_from_when_work_begins_until_noon(now: datetime, is_so: bool) -> None:
    assert (today(now) is not None) is is_so


@pytest.mark.parametrize(
    ("start", "end", "from_", "until"),
    [
        ("06:30", "14:00", local(3, 6, 30), local(3, 12)),
        ("11:50", "20:00", local(3, 11, 50), local(3, 12)),
        ("14:00", "22:00", local(3, 14), local(3, 17)),
        ("22:00", "06:00", local(3, 22), local(4, 1)),
        ("09:00", "10:00", local(3, 9), local(3, 10)),
        ("00:00", "00:00", local(3, 0), local(3, 12)),
    ],
)
def test_whatever_their_hours(start: str, end: str, from_: datetime, until: datetime) -> None:
    hours: dict[str, Any] = {"workHours": {**WEEK, "start": start, "end": end}}
    minute = timedelta(minutes=1)
    last = until - minute if until.astimezone(BERLIN).date() == date(2026, 3, 3) else from_
    for now, is_so in ((from_ - minute, False), (from_, True), (last, True), (until, False)):
        assert (today(now, **hours) is not None) is is_so, now


def test_in_their_own_zone_and_by_their_own_holidays() -> None:
    tokyo: dict[str, Any] = {"timezone": "Asia/Tokyo", "country": "JP"}
    assert today(local(3, 9), **tokyo) is None
    found = today(datetime(2026, 3, 3, 0, tzinfo=UTC), **tokyo)
    assert found
    assert (found.day, found.started_at) == (
        date(2026, 3, 3), datetime(2026, 3, 2, 15, tzinfo=UTC)
    )  # fmt: skip
    assert today(datetime(2026, 3, 20, 0, tzinfo=UTC), **tokyo) is None  # the equinox


def test_where_nobody_has_said_anything_the_usual_hours_count() -> None:
    nine = datetime(2026, 3, 3, 9, tzinfo=UTC)
    assert send_window({}, BusinessHours(), now=nine).today
    assert not send_window({}, BusinessHours(), now=nine - timedelta(minutes=1)).today


def test_the_day_before_is_the_last_working_day() -> None:
    tuesday = today(local(3, 9))
    assert tuesday == DigestDay(date(2026, 3, 3), local(3, 0), date(2026, 3, 2), local(2, 0))
    assert tuesday.is_consecutive
    monday = today(local(9, 9))
    assert monday
    assert (monday.previous_workday, monday.previous_started_at) == (date(2026, 3, 6), local(6, 0))
    assert not monday.is_consecutive
    after_easter = today(local(7, 9, month=4))
    assert after_easter
    assert after_easter.previous_workday == date(2026, 4, 2)


def test_of_a_week_with_one_day_it_is_the_week_before() -> None:
    found = today(local(3, 9), workHours={**WEEK, "days": [1]})
    assert found
    assert found.previous_workday == date(2026, 2, 24)


def test_who_is_away_has_none_until_they_are_back() -> None:
    away: dict[str, Any] = {"away": {"until": local(3, 10), "source": "self"}}
    found = send_window({**away}, BUSINESS_HOURS, now=local(3, 9))
    assert (found.today, found.next_check) == (None, local(3, 10))
    assert today(local(3, 10), **away)


def test_who_wants_no_interruption_has_none_for_now() -> None:
    spans = [{"start": local(2, 22), "end": local(3, 9, 30)}]
    found = send_window({"presence": {"quiet": spans}}, BUSINESS_HOURS, now=local(3, 9))
    assert (found.today, found.next_check) == (None, local(3, 9, 30))


def test_it_is_looked_at_again_when_work_begins_or_soon() -> None:
    assert send_window({}, BUSINESS_HOURS, now=local(3, 8, 30)).next_check == local(3, 9)
    assert send_window({}, BUSINESS_HOURS, now=local(3, 4)).next_check == local(3, 6)
    never = {"workHours": {"days": [], "start": "09:00", "end": "17:00"}}
    assert send_window(never, BUSINESS_HOURS, now=local(3, 9)) == SendWindow(None, local(3, 11))


@given(
    now=st.datetimes(
        datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)  # noqa: DTZ001
    ),
    zone=st.sampled_from(["Pacific/Kiritimati", "Pacific/Niue", "Europe/Berlin", "Asia/Kolkata"]),
    start=st.integers(0, 23),
    hours=st.integers(1, 23),
)  # fmt: skip
def test_the_send_window_is_within_a_working_day(
    now: datetime, zone: str, start: int, hours: int
) -> None:
    end = f"{(start + hours) % 24:02}:00"
    account = {"timezone": zone, "workHours": {**WEEK, "start": f"{start:02}:00", "end": end}}
    found = send_window(account, BusinessHours(), now=now)
    assert now < found.next_check <= now + MAX_CHECK_INTERVAL
    if found.today:
        here = now.astimezone(ZoneInfo(zone))
        assert (found.today.day, here.weekday() < 5) == (here.date(), True)
        assert here.hour < 12 or start >= 12
        assert found.today.previous_started_at < found.today.started_at <= now


pytest_plugins = ["tests.support.scenario"]


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """March 2026; the 2nd is a Monday."""
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


SUNDAY = at(1, 9)
OFF = "This comes on the mornings you work. Turn it off in this app's Home."


@pytest.fixture(autouse=True)
def hours(db: Mongo, clock: FixedClock) -> None:
    """Monday to Friday, 9 to 5 in UTC. Now: Tuesday, 3 March 2026, 07:00."""
    claim_installation(db, team_id=TEAM_ID)
    days = frozenset(range(5))
    TeamSettings(db).write_business_hours(
        actor=OPERATOR, zone="UTC", days=days, start="09:00", end="17:00"
    )
    clock.now = at(3, 7)


class Filing:
    """Files tickets with the given fields."""

    def __init__(self, db: Mongo, tickets: TicketService, clock: FixedClock, by: User) -> None:
        self._db, self._tickets, self._clock, self._by = db, tickets, clock, by

    def file(
        self,
        to: User | None = None,
        *,
        filed: datetime = SUNDAY,
        deadline: datetime | None = None,
        **fields: Any,
    ) -> None:
        now, self._clock.now = self._clock.now, filed
        ticket = self._tickets.create(
            actor=Actor.from_user(self._by),
            team_id=TEAM_ID,
            request_id=f"V{self._db.tickets.count_documents({})}",
            title="VPN is down",
            description="Since Monday.",
            priority="low",
            deadline=deadline,
        ).ticket
        self._clock.now = now
        if to:
            fields = {"assignedTo": to.id, "status": "IN_PROGRESS", **fields}
        self._db.tickets.update_one({"_id": ticket.id}, {"$set": {"title": "VPN", **fields}})
        key = queue_key(reload(self._db, ticket))
        placed = {"$set": {"queueKey": key}} if key else {"$unset": {"queueKey": ""}}
        self._db.tickets.update_one({"_id": ticket.id}, placed)


@pytest.fixture
def filing(db: Mongo, tickets: TicketService, clock: FixedClock, people: People) -> Filing:
    return Filing(db, tickets, clock, people.add())


def read(slack: RecordingSlack, reader: User) -> list[dict[str, Any]]:
    return slack.messages(People.slack_id(reader))


def due(moment: datetime) -> str:
    fallback = f"{moment:%-d %b %Y, %H:%M} UTC"
    return f"<!date^{int(moment.timestamp())}^{{date_short_pretty}} at {{time}}|{fallback}>"


def test_a_digest_of_four_lines(
    system: BotAndWorkers, nils: User, filing: Filing, clock: FixedClock, people: People
) -> None:
    al = people.add(Role.MODERATOR)
    filing.file(nils, deadline=at(3, 15))
    filing.file(nils, deadline=at(4, 15))
    filing.file(nils, deadline=at(2, 15))
    filing.file(al, deadline=at(2, 16))
    filing.file(deadline=at(2, 17))
    filing.file(filed=at(2, 0), deadline=at(5, 9))
    filing.file(filed=at(2, 23, 59), status="COMPLETED", completedAt=at(2, 23, 59))
    filing.file(filed=at(3, 0), status="COMPLETED", completedAt=at(3, 0))
    assert digest.run(system.runtime) == 0
    clock.now = at(3, 9)
    assert digest.run(system.runtime) == 2
    (message,) = read(system.slack, nils)
    assert texts(message) == [
        f"*Yours*: 3 open, the next is due {due(at(3, 15))}\n"
        "*Unassigned*: 2 tickets\n"
        "*Overdue*: 3 tickets, 1 of them yours\n"
        "*Yesterday*: 2 filed, 1 closed",
        OFF,
    ]
    assert message["text"] == (
        "Open tickets today: 3 yours, 2 unassigned, 3 overdue; yesterday 2 filed, 1 closed"
    )
    assert buttons(message) == ["Assigned to you", "The queue"]
    (other,) = read(system.slack, al)
    assert texts(other)[0].split("\n")[::2] == [
        "*Yours*: 1 open",
        "*Overdue*: 3 tickets, 1 of them yours",
    ]


@pytest.mark.parametrize(
    ("own", "queue", "lines"),
    [
        (
            AssigneeCounts(0, 0, None),
            QueueCounts(0, 0),
            ["*Yours*: none", "*Unassigned*: none", "*Overdue*: none"],
        ),
        (
            AssigneeCounts(1, 1, None),
            QueueCounts(1, 1),
            ["*Yours*: 1 open", "*Unassigned*: 1 ticket", "*Overdue*: 1 ticket, yours"],
        ),
        (
            AssigneeCounts(1_234, 2, None),
            QueueCounts(5_000, 2),
            [
                "*Yours*: 1,234 open",
                "*Unassigned*: 5,000 tickets",
                "*Overdue*: 2 tickets, all yours",
            ],
        ),
    ],
)
def test_its_words(
    own: AssigneeCounts,
    queue: QueueCounts,
    lines: list[str],
    db: Mongo,
    nils: User,
    filing: Filing,
    clock: FixedClock,
) -> None:
    filing.file()
    clock.now = at(3, 9)
    digests = Digests(db, clock=clock)
    (account,) = digests.due()
    found = digests.claim(account)
    assert found
    message = digest_message(replace(found, assignee=own, queue=queue))
    assert texts({"blocks": message.blocks})[0].split("\n")[:3] == lines


def test_on_a_monday_the_weekend_is_in_it(
    system: BotAndWorkers, nils: User, filing: Filing, clock: FixedClock
) -> None:
    for filed in (at(5, 23, 59), at(6, 0), at(8, 12), at(9, 8)):
        filing.file(filed=filed)
    clock.now = at(9, 9)
    digest.run(system.runtime)
    (message,) = read(system.slack, nils)
    assert texts(message)[0].endswith("*Since Friday*: 2 filed, 0 closed")
    assert message["text"].endswith("; since Friday 2 filed, 0 closed")


def test_where_there_is_nothing_to_tell_there_is_no_message(
    system: BotAndWorkers, nils: User, filing: Filing, clock: FixedClock
) -> None:
    clock.now = at(3, 9)
    assert digest.run(system.runtime) == 0
    filing.file()
    clock.now = at(3, 11)
    assert digest.run(system.runtime) == 0  # that day's is done
    assert read(system.slack, nils) == []
    clock.now = at(4, 9)
    assert digest.run(system.runtime) == 1


def test_once_a_day_however_often_it_runs(
    system: BotAndWorkers, nils: User, filing: Filing, clock: FixedClock
) -> None:
    filing.file(nils)
    clock.now = at(3, 9)
    assert sum(at_once(*[lambda: digest.run(system.runtime)] * 4)) == 1
    while clock.now < at(10, 9):
        clock.advance(hours=1)
        digest.run(system.runtime)
    assert len(read(system.slack, nils)) == 6  # Tuesday to Friday, Monday, Tuesday


def test_not_while_away_on_a_holiday_or_at_a_weekend(
    system: BotAndWorkers, nils: User, filing: Filing, clock: FixedClock
) -> None:
    filing.file(nils)
    away = {"away": {"until": at(4, 12), "source": "self"}, "country": "DE"}
    system.db.users.update_one({"_id": nils.id}, {"$set": away})
    sent = []
    clock.now = datetime(2026, 3, 31, 7, tzinfo=UTC)  # before Easter
    system.db.users.update_one(
        {"_id": nils.id}, {"$set": {"away.until": clock.now + timedelta(hours=26)}}
    )
    while clock.now < datetime(2026, 4, 8, 7, tzinfo=UTC):
        if digest.run(system.runtime):
            sent.append(clock.now)
        clock.advance(hours=1)
    days = [datetime(2026, 4, day, 9, tzinfo=UTC) for day in (1, 2, 7)]
    assert sent == days


def test_after_a_day_of_downtime_only_todays_and_none_in_the_afternoon(
    system: BotAndWorkers, nils: User, filing: Filing, clock: FixedClock
) -> None:
    filing.file(nils)
    digest.run(system.runtime)
    clock.now = at(5, 11, 59)
    assert digest.run(system.runtime) == 1
    assert len(read(system.slack, nils)) == 1
    clock.now = at(9, 12)
    assert digest.run(system.runtime) == 0
    clock.now = at(10, 9)
    assert digest.run(system.runtime) == 1


def test_a_long_lived_process_reads_hours_and_counts_again_each_round(
    system: BotAndWorkers, nils: User, filing: Filing, clock: FixedClock
) -> None:
    filing.file(nils)
    clock.now = at(3, 9)
    assert digest.run(system.runtime) == 1
    filing.file()
    days = frozenset(range(5))
    TeamSettings(system.db).write_business_hours(
        actor=OPERATOR, zone="UTC", days=days, start="11:00", end="17:00"
    )
    clock.now = at(4, 9)
    assert digest.run(system.runtime) == 0
    clock.now = at(4, 11)
    assert digest.run(system.runtime) == 1
    is_all_assigned = ["*Unassigned*: none" in str(message) for message in read(system.slack, nils)]
    assert is_all_assigned == [True, False]


def test_each_in_their_own_zone(
    system: BotAndWorkers, people: People, filing: Filing, clock: FixedClock
) -> None:
    zones = ["Asia/Tokyo", "Europe/Berlin", "America/New_York", "America/Los_Angeles"]
    staff = [people.add(Role.MODERATOR, timezone=zone) for zone in zones]
    filing.file()
    begun: dict[ObjectId, datetime] = {}
    clock.now = at(3, 0)
    while clock.now < at(4, 0):
        digest.run(system.runtime)
        for user in staff:
            if read(system.slack, user):
                begun.setdefault(user.id, clock.now)
        clock.advance(hours=1)
    assert [begun[user.id] for user in staff] == [at(3, 0), at(3, 8), at(3, 14), at(3, 17)]
    assert [len(read(system.slack, user)) for user in staff] == [1, 1, 1, 1]


def test_who_gets_it(
    system: BotAndWorkers, people: People, filing: Filing, clock: FixedClock
) -> None:
    """Admins who work on tickets or asked for it; no requesters, and no one without Slack."""
    busy, skilled, keen, boss = (
        people.add(Role.ADMIN),
        people.add(Role.ADMIN, "VPN"),
        people.add(Role.ADMIN, digest=True),
        people.add(Role.ADMIN),
    )
    user, gone = people.add(), people.add(Role.MODERATOR, active=False)
    people.add(Role.MODERATOR, linked=False)
    off = people.add(Role.MODERATOR, digest=False)
    filing.file(busy)
    filing.file()
    clock.now = at(3, 9)
    assert digest.run(system.runtime) == 3
    told = [len(read(system.slack, u)) for u in (busy, skilled, keen, boss, user, gone, off)]
    assert told == [1, 1, 1, 0, 0, 0, 0]


def test_slack_asks_to_wait(
    system: BotAndWorkers, people: People, filing: Filing, clock: FixedClock
) -> None:
    staff = [people.add(Role.MODERATOR) for _ in range(3)]
    filing.file()
    clock.now = at(3, 9)
    system.slack.fail("chat.postMessage", status=429, retry_after=90)
    assert digest.run(system.runtime) == 0
    assert len(system.slack.calls_to("chat.postMessage")) == 1
    assert digest.run(system.runtime) == 2
    clock.advance(seconds=90)
    assert digest.run(system.runtime) == 1
    assert [len(read(system.slack, user)) for user in staff] == [1, 1, 1]


def test_slack_is_in_trouble_all_morning(
    system: BotAndWorkers, nils: User, filing: Filing, clock: FixedClock
) -> None:
    """Retried with back-off, but not in the afternoon."""
    filing.file(nils)
    clock.now = at(3, 9)
    system.slack.fail("chat.postMessage", status=500, times=99)
    tried = []
    while clock.now < at(3, 12, 30):
        before = len(system.slack.calls_to("chat.postMessage"))
        digest.run(system.runtime)
        if len(system.slack.calls_to("chat.postMessage")) > before:
            tried.append(clock.now)
        clock.advance(minutes=1)
    minutes = [int((moment - at(3, 9)).total_seconds() // 60) for moment in tried]
    assert minutes == [0, 1, 5, 21, 85]
    clock.now = at(3, 17)
    digest.run(system.runtime)
    assert "digestTries" not in (system.db.users.find_one({"_id": nils.id}) or {})
    assert read(system.slack, nils) == []


def test_what_slack_refuses_for_good_is_given_up_for_the_day(
    system: BotAndWorkers, nils: User, filing: Filing, clock: FixedClock
) -> None:
    filing.file(nils)
    clock.now = at(3, 9)
    system.slack.fail("chat.postMessage", error="user_disabled")
    assert digest.run(system.runtime) == 0
    clock.advance(minutes=90)
    assert digest.run(system.runtime) == 0
    assert len(system.slack.calls_to("chat.postMessage")) == 1


def test_a_process_that_dies_makes_it_late(
    system: BotAndWorkers, nils: User, filing: Filing, clock: FixedClock
) -> None:
    filing.file(nils)
    clock.now = at(3, 9)
    digests = Digests(system.db, clock=clock)
    (account,) = digests.due()
    assert digests.claim(account)  # killed after this
    assert digest.run(system.runtime) == 0
    clock.advance(seconds=60)
    assert digest.run(system.runtime) == 1
    assert digest.run(system.runtime) == 0
    assert len(read(system.slack, nils)) == 1


def test_a_slack_that_is_away_ends_the_round(
    system: BotAndWorkers, people: People, filing: Filing, clock: FixedClock
) -> None:
    for _ in range(2):
        people.add(Role.MODERATOR)
    filing.file()
    clock.now = at(3, 9)
    nobody = WebClient(token=TOKEN, base_url="http://127.0.0.1:9/", timeout=1, retry_handlers=[])
    assert digest.run(replace(system.runtime, slack=nobody)) == 0
    assert system.db.users.count_documents({"digestTries": 1}) == 1


def test_before_the_first_bot_there_is_nobody_to_tell(
    system: BotAndWorkers, nils: User, filing: Filing, clock: FixedClock
) -> None:
    filing.file()
    system.db.meta.delete_many({})
    clock.now = at(3, 9)
    assert digest.run(system.runtime) == 0


def test_it_is_turned_off_and_on_in_home(
    system: BotAndWorkers, ticket_bot: Bot, nils: User, filing: Filing, clock: FixedClock
) -> None:
    slack_id = People.slack_id(nils)
    filing.file(nils)

    def press(label: str) -> None:
        view = system.slack.home(slack_id)
        shown = {**view, "type": "home"}
        ticket_bot.answer(payloads.block_actions(shown, "turn_digest", user=slack_id))
        assert label in buttons({"blocks": system.slack.home(slack_id)["blocks"]})

    opened = {"type": "app_home_opened", "user": slack_id, "tab": "home"}
    ticket_bot.answer(payloads.event(opened))
    assert "Turn off the daily digest" in buttons({"blocks": system.slack.home(slack_id)["blocks"]})
    press("Turn on the daily digest")
    clock.now = at(3, 9)
    assert digest.run(system.runtime) == 0
    press("Turn off the daily digest")
    assert digest.run(system.runtime) == 1  # still morning
    press("Turn on the daily digest")
    press("Turn off the daily digest")
    assert digest.run(system.runtime) == 0
    assert len(read(system.slack, nils)) == 1


def test_its_buttons_show_the_lists(
    system: BotAndWorkers, ticket_bot: Bot, nils: User, filing: Filing, clock: FixedClock
) -> None:
    filing.file(nils)
    clock.now = at(3, 9)
    digest.run(system.runtime)
    (message,) = read(system.slack, nils)
    for action_id, title in (("show_assigned", "Assigned to you"), ("show_list", "The queue")):
        system.slack.clear()
        body = payloads.block_actions(message, action_id, user=People.slack_id(nils))
        body["response_url"] = system.slack.response_url()
        ticket_bot.answer(body)
        (shown,) = system.slack.calls_to("response_url")
        assert shown.args["blocks"][0]["text"]["text"] == title
        assert shown.args["response_type"] == "ephemeral"


def test_plain_requesters_have_no_such_switch(db: Mongo, people: People) -> None:
    actor = Actor.from_user(people.add())
    with pytest.raises(PermissionDenied):
        Digests(db).set_enabled(actor=actor, enabled=True)


def test_the_job_publishes_only_while_an_account_is_due(
    system: BotAndWorkers,
    services: Services,
    nils: User,
    filing: Filing,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filing.file(nils)
    system.publisher.asked.clear()
    leader, follower = (Scheduler(services, system.publisher) for _ in range(2))
    for jobs in (leader, follower):
        jobs.renew_leadership()
        jobs.run("digest")
    assert system.publisher.asked == [(DIGEST_TASK, "")]
    system.work()
    leader.run("digest")
    assert system.publisher.asked == []
    clock.now = at(3, 9)
    leader.renew_leadership()
    leader.run("digest")
    system.work()
    assert len(read(system.slack, nils)) == 1
    clock.now = at(4, 9)

    def away(_: str, **__: str) -> None:
        raise PublishFailed("ConnectionError")

    monkeypatch.setattr(system.publisher, "send", away)
    leader.renew_leadership()
    leader.run("digest")  # a missing broker ends no process


def test_the_number_of_queries_does_not_grow(
    watched_db: Mongo, commands: Commands, people: People, filing: Filing, clock: FixedClock
) -> None:
    people.add(Role.MODERATOR)
    clock.now = at(3, 9)

    def counted() -> int:
        commands.sent.clear()
        DigestCounts(watched_db, now=clock()).for_assignee(people.add().id)
        counts = DigestCounts(watched_db, now=clock())
        for _ in range(3):
            counts.queue(visible_to(OPERATOR))
            counts.activity(at(2, 0), at(3, 0), visible_to(OPERATOR))
        return sum(name in ("find", "aggregate") for name, _ in commands.sent)

    assert counted() == 8
    for _ in range(5):
        filing.file(people.add(Role.MODERATOR))
        filing.file()
    assert counted() == 8


def test_the_counts(db: Mongo, nils: User, filing: Filing, clock: FixedClock) -> None:
    clock.now = at(3, 9)
    assert DigestCounts(db, now=clock()).for_assignee(nils.id) == AssigneeCounts(0, 0, None)
    filing.file(nils, deadline=at(3, 9, 1))
    filing.file(nils, deadline=at(2, 9))
    filing.file(nils, status="WAITING", deadline=at(2, 10))
    filing.file(nils, status="COMPLETED", completedAt=at(3, 1))
    no_request: dict[str, Any] = {"status": "COMPLETED", "resolution": "not_a_request"}
    filing.file(nils, **no_request, createdAt=at(3, 1), completedAt=at(3, 2))
    db.tickets.insert_one({"assignedTo": nils.id, "status": "IN_PROGRESS", "title": "Old"})
    counts = DigestCounts(db, now=clock())
    assert counts.for_assignee(nils.id) == AssigneeCounts(4, 2, at(3, 9, 1))
    assert counts.queue(visible_to(OPERATOR)) == QueueCounts(0, 2)
    assert counts.activity(at(3, 0), at(4, 0), visible_to(OPERATOR)) == TeamActivity(0, 1)


def test_one_odd_account_holds_up_nobody_else(
    system: BotAndWorkers,
    nils: User,
    filing: Filing,
    clock: FixedClock,
    people: People,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    al = people.add(Role.MODERATOR)
    filing.file(deadline=at(4, 15))

    def fails(account: dict[str, Any], hours: BusinessHours, *, now: datetime) -> SendWindow:
        if account["_id"] == nils.id:
            raise OverflowError("date value out of range")
        return send_window(account, hours, now=now)

    clock.now = at(3, 9)
    with monkeypatch.context() as broken:
        broken.setattr("services.digest.digest_service.send_window", fails)
        assert digest.run(system.runtime) == 1
    assert caplog.messages == [f"the digest of user {nils.id} is set aside"]
    assert (len(read(system.slack, nils)), len(read(system.slack, al))) == (0, 1)
    clock.now = at(3, 11)
    assert digest.run(system.runtime) == 1
    assert len(read(system.slack, nils)) == 1


def test_the_end_of_the_time_is_no_fault_of_an_account(
    system: BotAndWorkers,
    nils: User,
    filing: Filing,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filing.file(deadline=at(4, 15))
    clock.now = at(3, 9)

    def struck(*_: object, **__: object) -> SendWindow:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr("services.digest.digest_service.send_window", struck)
    with pytest.raises(SoftTimeLimitExceeded):
        digest.run(system.runtime)
    assert system.db.users.find_one({"_id": nils.id, "digestAside": {"$exists": True}}) is None
