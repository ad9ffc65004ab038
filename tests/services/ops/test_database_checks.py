"""The doctor's checks of settings and MongoDB."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo import IndexModel

from demo.servers import MongoServer
from services.accounts.users import UserService
from services.assignment.assignment_service import AssignmentService
from services.core import schema_version
from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.leases import Lease
from services.linking.links import LinkService
from services.models.permissions import OPERATOR
from services.models.slack_member import SlackMember
from services.models.ticket import Ticket
from services.models.user import Role
from services.ops.check_runner import CheckStatus, Finding, fail, ok, warn
from services.ops.database_checks import DatabaseChecks, check_linking, check_settings
from services.ops.job_health import JobRuns
from services.outbox import pending
from services.registry.indexes import missing_indexes
from services.tickets.filing import TicketService
from services.tickets.indexes import NEWEST_INDEX
from tests.conftest import NOBODY_LISTENS, FixedClock, People, file_ticket, reload

GOOD = {
    "MONGO_URI": "mongodb://app:pa55word@db.example.com/helpdesk",
    "REDIS_URL": "rediss://:hunter2@cache.example.com:6379/0",
    "JWT_SECRET": "jwt-secret-that-has-thirty-two-bytes",
    "SLACK_BOT_TOKEN": "xoxb-1-secret",
    "SLACK_APP_TOKEN": "xapp-1-secret",
}
SECRETS = ("pa55word", "hunter2", "1-secret", "x0x0", "jwt-secret")
SET = "Set it in the environment or in .env."


# Settings


def test_good_settings() -> None:
    assert check_settings(GOOD) == ok("all that bot, worker and jobs need is set")


@pytest.mark.parametrize(
    ("app_url", "strict", "state", "found"),
    [
        ("https://x.example", False, CheckStatus.OK, "by Slack's email address, or by a code"),
        ("https://x.example", True, CheckStatus.OK, "by a code"),
        (
            None,
            False,
            CheckStatus.OK,
            "by Slack's email address; without APP_URL there is no page that shows codes",
        ),
        (None, True, CheckStatus.FAIL, "by a code, which no one can get without APP_URL"),
    ],
)
def test_how_members_come_to_their_accounts(
    app_url: str | None, strict: bool, state: CheckStatus, found: str
) -> None:
    (finding,) = check_linking(app_url=app_url, is_strict=strict)
    assert (finding.status, finding.message) == (state, found)


def test_everything_missing_is_named_once() -> None:
    assert check_settings({}) == [
        *fail("MONGO_URI is missing", SET),
        *fail("REDIS_URL is missing", SET),
        *fail("JWT_SECRET is missing", SET),
        *fail("SLACK_BOT_TOKEN is missing", SET),
        *fail("SLACK_APP_TOKEN or SLACK_SIGNING_SECRET is missing", SET),
    ]


def test_everything_bad_is_named_and_never_quoted() -> None:
    bad = {
        **GOOD,
        "MONGO_URI": "http://app:pa55word@[db",
        "SLACK_BOT_TOKEN": "xapp-1-secret",
        "LOG_LEVEL": "x0x0",
        "PORT": "x0x0",
    }
    found = [finding.message for finding in check_settings(bad)]
    assert found == [
        "MONGO_URI must begin with mongodb:// or mongodb+srv://",
        "SLACK_BOT_TOKEN must begin with xoxb-",
        "LOG_LEVEL must be one of DEBUG, INFO, WARNING, ERROR",
        "PORT must be a number from 1 to 65535",
    ]
    assert not any(secret in str(found) for secret in SECRETS)


@pytest.mark.parametrize(
    ("change", "found", "advice"),
    [
        (
            {"MONGO_URI": "mongodb://db.example.com/helpdesk"},
            "MONGO_URI names another machine and no password",
            "Anyone who reaches that machine reads and changes everything.",
        ),
        (
            {"REDIS_URL": "redis://cache.example.com"},
            "REDIS_URL names another machine and no password",
            "Anyone who reaches that machine reads and changes everything.",
        ),
        (
            {"METRICS_TOKEN": "x0x0"},
            "METRICS_TOKEN is short enough to be guessed",
            "Make it 32 characters.",
        ),
        (
            {"SLACK_API_URL": "https://proxy.example.com/api/"},
            "SLACK_API_URL is not Slack's, and the tokens go there",
            "Remove it unless this is a test.",
        ),
    ],
)
def test_what_is_weak(change: dict[str, str], found: str, advice: str) -> None:
    assert check_settings(GOOD | change) == warn(found, advice)


@pytest.mark.parametrize(
    "change",
    [
        {"MONGO_URI": "mongodb://localhost/helpdesk", "REDIS_URL": "redis://127.0.0.1:6379/0"},
        {"REDIS_URL": "unix:///run/redis.sock"},
        {"MONGO_URI": "mongodb+srv://db.example.com/?authMechanism=MONGODB-X509"},
        {"SLACK_API_URL": "https://slack.com/api/", "METRICS_TOKEN": "long-enough-to-be-safe"},
    ],
)
def test_what_is_not_weak(change: dict[str, str]) -> None:
    assert [finding.status for finding in check_settings(GOOD | change)] == [CheckStatus.OK]


# MongoDB

CheckFactory = Callable[..., DatabaseChecks]


@pytest.fixture
def checks(mongo: MongoServer, db: Mongo, clock: FixedClock) -> Iterator[CheckFactory]:
    made: list[DatabaseChecks] = []

    def make(uri: str | None = None, **options: Any) -> DatabaseChecks:
        found = mongo.uri_for(db.name) if uri is None else uri
        checks = DatabaseChecks(
            found, missing_indexes=missing_indexes, program_version=2, clock=clock, **options
        )
        made.append(checks)
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_mongodb_answers_and_takes_a_write(checks: CheckFactory, db: Mongo) -> None:
    version = db.client.server_info()["version"]
    assert checks().check_connection() == ok(
        f"{version}, replica set secantus; a majority takes writes"
    )
    assert db.meta.count_documents({}) == 0


@pytest.mark.parametrize(
    ("uri", "found", "advice"),
    [
        (
            f"{NOBODY_LISTENS}?serverSelectionTimeoutMS=100",
            "it cannot be reached at MONGO_URI (ServerSelectionTimeoutError)",
            "Start it, or check host, port and firewall (for Atlas: the IP access list).",
        ),
        (
            "mongodb://app:pa@55@127.0.0.1:9/",
            "MONGO_URI cannot be used (InvalidURI)",
            "Check how it is written.",
        ),
    ],
)
def test_mongodb_is_away(checks: CheckFactory, uri: str, found: str, advice: str) -> None:
    assert checks(uri).check_connection() == fail(found, advice)


def test_the_clock(checks: CheckFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.core.clock._shared", [0, 0])
    assert checks().check_clock() == ok("this machine's agrees with MongoDB's")
    ahead = datetime.now(UTC) + timedelta(hours=1)
    monkeypatch.setattr("services.core.clock.system_now", lambda: ahead)
    assert checks().check_clock() == warn(
        "this machine's is 1:00:00 ahead of MongoDB's",
        "Times are corrected by this. Set the wrong clock, and run a time server.",
    )


def test_the_version_of_the_data(checks: CheckFactory, db: Mongo) -> None:
    assert checks().check_data_version() == warn(
        "migrations to version 2 are not complete (at 0)",
        "The jobs run them: keep the jobs running, and see their log.",
    )
    schema_version.record_version(db, 2)
    assert checks().check_data_version() == ok("version 2; this program knows 2")
    schema_version.raise_min_reader(db, 3, now=utcnow())
    assert checks().check_data_version() == fail(
        "the data needs version 3; this program knows 2",
        "Install the newer release that upgraded the database.",
    )


@pytest.mark.usefixtures("indexes_restored")
def test_missing_indexes_are_named(checks: CheckFactory, db: Mongo) -> None:
    assert checks().check_indexes() == ok("every index is there")
    db.tickets.drop_index("outbox_due")
    db.links.drop_index("teamId_1_userId_1")
    assert checks().check_indexes() == fail(
        "missing or changed: links.teamId_1_userId_1, tickets.outbox_due",
        "Keep the jobs running: they build them, and their log shows the progress.",
    )


def test_an_empty_database_has_no_index(checks: CheckFactory, mongo: MongoServer) -> None:
    (finding,) = checks(mongo.uri_for("nobody-was-here")).check_indexes()
    assert finding.status is CheckStatus.FAIL
    assert finding.message.startswith("missing or changed: users.emailKey_1, ")
    assert ", links.teamId_1_userId_1, " in finding.message


# Accounts


def test_who_there_is(checks: CheckFactory, people: People) -> None:
    people.add()
    people.add(Role.MODERATOR, "VPN")
    people.add(Role.MODERATOR, active=False)
    people.add(Role.ADMIN)
    assert checks().check_accounts() == ok("3 active, of them 1 moderator and 1 admin")


def test_accounts_of_one_address_are_named_also_legacy_ones(
    checks: CheckFactory, users: UserService, db: Mongo
) -> None:
    users.create(actor=OPERATOR, email="admin@example.com", role=Role.ADMIN)
    users.create(actor=OPERATOR, email="mod@example.com", role=Role.MODERATOR)
    first = users.create(actor=OPERATOR, email="Ann@Example.com")
    legacy = {"_id": ObjectId(), "email": " ANN@example.com", "role": "user"}
    db.users.insert_many([legacy, {"email": "", "role": "user"}, {"role": "user"}])
    assert checks().check_accounts() == warn(
        f"addresses with several accounts: ann@example.com ({first.id}, {legacy['_id']})",
        "Their owners can use none of them: delete all but one of each.",
    )
    assert "emailKey" not in (db.users.find_one({"_id": legacy["_id"]}) or {})


def test_an_address_with_one_confirmed_account_is_none_of_them(
    checks: CheckFactory, users: UserService, db: Mongo
) -> None:
    users.create(actor=OPERATOR, email="admin@example.com", role=Role.ADMIN)
    users.create(actor=OPERATOR, email="mod@example.com", role=Role.MODERATOR)
    db.users.insert_one({"email": "mod@example.com", "password": "hash", "role": "user"})
    assert checks().check_accounts() == ok("3 active, of them 1 moderator and 1 admin")


def test_unconfirmed_accounts_are_named_those_of_admin_emails_first(
    checks: CheckFactory, db: Mongo
) -> None:
    assert checks().check_addresses() == ok("every account's address is confirmed")
    db.users.insert_many(
        [{"email": f"u{n}@example.com", "password": "hash", "role": "user"} for n in range(7)]
        + [
            {"email": "Boss@example.com", "password": "hash"},
            {"email": "mod@example.com", "password": "hash", "role": "moderator"},
            {"email": "proved@example.com", "password": "hash", "emailConfirmedAt": utcnow()},
            {"email": "slack@example.com"},
            {"email": "out@example.com", "password": "hash", "active": False},
        ]
    )
    listed = ", ".join(f"u{n}@example.com" for n in range(5))
    admins = frozenset({"boss@example.com", "mod@example.com"})
    assert checks(admin_emails=admins).check_addresses() == [
        *warn(
            "Boss@example.com is in ADMIN_EMAILS, but its account's address is not confirmed",
            "Its owner becomes an admin at their first use in Slack. If you know the owner, "
            "run: python app.py users confirm Boss@example.com, then: users role "
            "Boss@example.com admin",
        ),
        Finding(
            CheckStatus.OK,
            f"7 accounts not confirmed: {listed} and 2 more",
            "They get no role. If you know an owner: python app.py users confirm ADDRESS",
        ),
    ]


def test_slack_is_asked_about_linked_accounts(checks: CheckFactory, db: Mongo) -> None:
    def look_up(team_id: str, slack_user_id: str) -> SlackMember:
        email = f"{slack_user_id}@example.com"
        return SlackMember(team_id, slack_user_id, team_id, email, email_confirmed=True)

    for number in range(25):
        doc = {"_id": ObjectId(), "email": f"u{number}@example.com", "password": "hash"}
        db.users.insert_one(doc)
        link = {"teamId": "T1", "slackUserId": f"u{number}", "userId": doc["_id"]}
        db.links.insert_one({"_id": f"T1:u{number}", **link})
    for message in ("5 accounts not confirmed: u20@example.com, u21", "every account's address"):
        [finding] = checks(look_up_member=look_up).check_addresses()
        assert finding.message.startswith(message)


def test_many_such_addresses_are_counted(checks: CheckFactory, db: Mongo) -> None:
    db.users.insert_many(
        [{"email": f"{number}@example.com", "role": "admin"} for number in range(7)]
        + [{"email": f"{number}@EXAMPLE.com", "role": "moderator"} for number in range(7)]
    )
    (finding,) = checks().check_accounts()
    assert finding.message.count("@example.com (") == 5
    assert finding.message.endswith(") and 2 more")


def test_nobody_to_take_tickets(checks: CheckFactory, people: People) -> None:
    nobody = "no admin, so no one is notified of tickets that no one can take"
    advice = "Set ADMIN_EMAILS, or run: python app.py users create ADDRESS --role admin"
    assert checks().check_accounts() == warn(nobody, advice)
    assert checks(admin_emails=frozenset({"boss@example.com"})).check_accounts() == warn(
        "no admin yet", "Those in ADMIN_EMAILS become one at their first use."
    )
    people.add(Role.ADMIN)
    assert checks().check_accounts() == warn(
        "no moderator: admins get every ticket",
        "python app.py users role ADDRESS moderator makes one.",
    )


def test_whose_database_it_is(checks: CheckFactory, db: Mongo) -> None:
    assert checks().team_id() is None
    db.meta.insert_one({"_id": "installation", "teamId": "T0TEAM"})
    assert checks().team_id() == "T0TEAM"


# Jobs, outbox, waiting


def test_jobs_are_alive_while_one_holds_the_lease(
    checks: CheckFactory, db: Mongo, clock: FixedClock
) -> None:
    none = fail("none leads", "Run: python app.py jobs")
    assert checks().check_jobs() == none
    assert Lease(db, "jobs", clock=clock).acquire()
    assert checks().check_jobs() == ok("one process leads")
    clock.advance(seconds=21)
    assert checks().check_jobs() == none


def test_it_says_when_the_jobs_last_ended_and_how_long_they_take(
    checks: CheckFactory, db: Mongo, clock: FixedClock
) -> None:
    assert Lease(db, "jobs", clock=clock).acquire()
    runs, every = JobRuns(db, clock=clock), timedelta(seconds=10)
    runs.register({"sweep": every, "digest": every, "training": every})
    runs.record("sweep", seconds=0.04, interval=every)
    clock.advance(seconds=3)
    runs.record("digest", seconds=1.26, interval=every)
    clock.advance(seconds=2)
    told = "one process leads; 2 jobs, the last one ended 2 s ago, the slowest took 1.3 s"
    assert checks().check_jobs() == ok(told)


def test_given_up_messages_are_named(checks: CheckFactory, db: Mongo, clock: FixedClock) -> None:
    assert checks().check_deliveries() == ok("none given up")
    gone = {"state": "failed", "tries": 3, "until": clock()}
    notices = [
        {**gone, "key": "1:thread:C1", "error": "not_in_channel"},
        {**gone, "key": "1:requester:6b034d3e158a02994a8b0c47", "error": "channel_not_found"},
        {**gone, "key": "1:triage:C2", "error": "channel_not_found"},
    ]
    db.tickets.insert_one({"_id": ObjectId.from_datetime(clock()), "number": 7, "notices": notices})
    advice = "Correct what Slack names. People see the tickets in the bot's Home."
    given_up = "given up after 14 days, by ticket: 7 (channel_not_found)"
    assert checks().check_deliveries() == warn(given_up, advice)


def test_the_outbox_is_as_old_as_its_oldest_change(
    checks: CheckFactory, db: Mongo, clock: FixedClock, people: People, tickets: TicketService
) -> None:
    assert checks().check_outbox() == ok("empty")
    employee = people.add()
    ticket = file_ticket(tickets, employee)
    clock.advance(seconds=15)
    assert checks().check_outbox() == ok("1 ticket, the oldest change 15 s old")
    advice = "If worker and jobs are alive, the worker's log says why."
    # Published repeatedly by the sweep, and taken by no worker.
    for _ in range(4):
        pending.back_off(db, reload(db, ticket), now=clock())
        clock.advance(seconds=60)
    file_ticket(tickets, employee)
    (finding,) = checks().check_outbox()
    assert finding.status is CheckStatus.WARN
    assert finding.message == "2 tickets, the oldest change 2 min old"
    assert finding.advice == advice
    clock.advance(minutes=30)
    assert checks().check_outbox() == fail("2 tickets, the oldest change 32 min old", advice)


def test_the_age_counts_every_wait(db: Mongo, clock: FixedClock) -> None:
    start = datetime(2026, 1, 5, 9, tzinfo=UTC)
    ticket = db.tickets.insert_one({**pending.outbox_fields(start), "seq": 1}).inserted_id
    now = start
    for _ in range(9):
        doc = db.tickets.find_one({"_id": ticket}) or {}
        now = doc["nextTryAt"]  # the sweep takes it when it is due
        assert pending.outbox_ages(db, now=now) == [now - start]
        pending.back_off(db, Ticket.from_doc(doc), now=now)
    assert now - start > timedelta(minutes=30)


def test_tickets_nobody_is_available_for(
    checks: CheckFactory,
    db: Mongo,
    clock: FixedClock,
    links: LinkService,
    people: People,
    tickets: TicketService,
) -> None:
    assert checks().check_unassigned() == ok("no ticket waits for an assignee to become available")
    ticket = file_ticket(tickets, people.add())
    AssignmentService(db, links).queue_unassigned(reload(db, ticket), now=clock())
    assert checks().check_unassigned() == warn(
        "1 ticket that no one is available for", "Make a moderator, or raise a capacity."
    )


def test_failed_analyses_are_counted_for_a_day(
    checks: CheckFactory, db: Mongo, clock: FixedClock, people: People, tickets: TicketService
) -> None:
    ages = (timedelta(hours=1), timedelta(days=1), timedelta(days=1, seconds=1))
    for age in ages:
        ticket = file_ticket(tickets, people.add())
        failed = {"createdAt": clock() - age, "assignment.analysis": {"failure": "timeout"}}
        db.tickets.update_one({"_id": ticket.id}, {"$set": failed})
    assert checks().count_failed_analyses("timeout") == 2
    assert checks().count_failed_analyses("truncated") == 0
    db.tickets.create_indexes([IndexModel(NEWEST_INDEX)])
    query = {"createdAt": {"$gte": clock()}}
    plan = str(db.tickets.find(query).explain()["queryPlanner"]["winningPlan"])
    assert "createdAt_-1__id_-1" in plan
