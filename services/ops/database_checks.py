"""The doctor's checks of settings and MongoDB. They only read, except for one probe document."""

import platform
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TypeVar
from urllib.parse import urlsplit

import pymongo
from bson import ObjectId
from pymongo.errors import ConfigurationError, OperationFailure, PyMongoError

from services.accounts.confirmation import EmailConfirmation, MemberLookup
from services.accounts.validation import email_key
from services.core import leases, schema_version, settings
from services.core.clock import Clock, describe_offset, synchronize, utcnow
from services.core.database import Document, Mongo, connect, is_failing
from services.core.version import program_version
from services.core.work_queue import MAX_DELIVERY_DELAY
from services.models.user import Role, User
from services.ops import event_arrivals, job_health
from services.ops.check_runner import (
    Check,
    CheckStatus,
    Finding,
    fail,
    format_duration,
    ok,
    pluralize,
    skip,
    warn,
)
from services.outbox import deliveries, pending
from services.team_settings import private_tickets
from services.team_settings.slack_settings import SlackSettings, load_slack_settings

T = TypeVar("T")

MONGODB = "MongoDB"
# Below the runner's timeout, so that a finding names what did not answer.
QUERY_TIMEOUT_SECONDS = 4.0
SETTINGS_TIMEOUT_SECONDS = 1.0
LATE_OUTBOX_AGE = timedelta(minutes=1)
STUCK_OUTBOX_AGE = MAX_DELIVERY_DELAY
FAILURE_PERIOD = timedelta(days=1)
MAX_LISTED_EMAILS = MAX_LISTED_TICKETS = 5
# Linked accounts that Slack is asked about, a call each.
MAX_ASKED_ACCOUNTS = 20
ADDRESS_CHECK_SECONDS = 20.0
# Tickets of this age are searched for messages that were given up.
GIVEN_UP_PERIOD = timedelta(days=60)
MIN_METRICS_TOKEN_LENGTH = 16
LOCAL_HOSTS = frozenset({None, "localhost", "127.0.0.1", "::1"})
# Atlas refuses a wrong password with 8000, but also writes beyond the quota.
NO_RIGHTS = frozenset({13, 18})
UNAUTHORIZED = NO_RIGHTS | {8000}


def check_program() -> list[Finding]:
    """Return the versions, which a report of a fault needs."""
    return ok(f"version {program_version()} on Python {platform.python_version()}")


def check_settings(env: Mapping[str, str]) -> list[Finding]:
    """Return the problems that keep bot, worker or jobs from starting, then weak settings."""
    problems: dict[str, None] = {}
    for command in ("bot", "worker", "jobs"):
        problems |= dict.fromkeys(settings.parse_settings(command, env)[1])
    findings = []
    for problem in problems:
        findings += fail(problem, "Set it in the environment or in .env.")
    findings += _weak(env)
    return findings or ok("all that bot, worker and jobs need is set")


def _weak(env: Mapping[str, str]) -> list[Finding]:
    findings = []
    for name in ("MONGO_URI", "REDIS_URL"):
        url = env.get(name, "").strip()
        if _is_open(url):
            found = f"{name} names another machine and no password"
            findings += warn(found, "Anyone who reaches that machine reads and changes everything.")
    if 0 < len(env.get("METRICS_TOKEN", "").strip()) < MIN_METRICS_TOKEN_LENGTH:
        findings += warn("METRICS_TOKEN is short enough to be guessed", "Make it 32 characters.")
    api = env.get("SLACK_API_URL", "").strip()
    if api and urlsplit(api).hostname != "slack.com":
        found = "SLACK_API_URL is not Slack's, and the tokens go there"
        findings += warn(found, "Remove it unless this is a test.")
    return findings


def _is_open(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:  # reported as a problem already
        return False
    return parts.hostname not in LOCAL_HOSTS and not (parts.password or "authMechanism" in url)


def check_linking(*, app_url: str | None, is_strict: bool) -> list[Finding]:
    """Report how Slack members can link their accounts."""
    if app_url:
        return ok("by a code" if is_strict else "by Slack's email address, or by a code")
    if is_strict:
        advice = "Set APP_URL to the bot's address outside: its page shows the codes."
        return fail("by a code, which no one can get without APP_URL", advice)
    return ok("by Slack's email address; without APP_URL there is no page that shows codes")


class DatabaseChecks:
    """Connects at the first check, so that a bad URI becomes a finding.

    `missing_indexes` returns the indexes that are missing or changed. It is passed in because
    packages above this one declare indexes, too; so is `program_version`, which the migrations
    define.
    """

    def __init__(
        self,
        uri: str,
        *,
        missing_indexes: Callable[[Mongo], Sequence[object]],
        program_version: int,
        admin_emails: frozenset[str] = frozenset(),
        look_up_member: MemberLookup | None = None,
        clock: Clock = utcnow,
    ) -> None:
        self._uri = uri
        self._missing_indexes = missing_indexes
        self._program_version = program_version
        self._admin_emails = admin_emails
        self._look_up_member = look_up_member
        self._clock = clock

    @cached_property
    def _db(self) -> Mongo:
        return connect(self._uri)

    def checks(self) -> list[Check]:
        return [
            Check(MONGODB, self.check_connection),
            Check("clock", self.check_clock, depends_on=(MONGODB,)),
            Check("data version", self.check_data_version, depends_on=(MONGODB,)),
            Check("indexes", self.check_indexes, depends_on=(MONGODB,)),
            Check("accounts", self.check_accounts, depends_on=(MONGODB,)),
            Check(
                "addresses",
                self.check_addresses,
                depends_on=(MONGODB,),
                seconds=ADDRESS_CHECK_SECONDS,
            ),
            Check("private tickets", self.check_private_tickets, depends_on=(MONGODB,)),
        ]

    def work_checks(self) -> list[Check]:
        """Checks of the jobs, the outbox and unassigned tickets."""
        return [
            Check("jobs", self.check_jobs, depends_on=(MONGODB,)),
            Check("outbox", self.check_outbox, depends_on=(MONGODB,)),
            Check("deliveries", self.check_deliveries, depends_on=(MONGODB,)),
            Check("waiting", self.check_unassigned, depends_on=(MONGODB,)),
        ]

    def close(self) -> None:
        if "_db" in vars(self):
            self._db.client.close()

    def check_connection(self) -> list[Finding]:
        """Check that MongoDB answers and takes a write with the product's write concern."""
        if not self._uri:
            return skip("MONGO_URI")
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            try:
                hello = self._db.client.admin.command("hello")
                if not hello.get("isWritablePrimary"):
                    return fail("no primary takes writes", "Look at the replica set's members.")
                version = self._db.client.server_info()["version"]
            except PyMongoError as error:
                return _connection_failure(error)
            try:
                probe = {"_id": f"doctor-{ObjectId()}"}
                self._db.meta.insert_one(dict(probe))
                self._db.meta.delete_one(probe)
            except PyMongoError as error:
                return _write_failure(error)
        return _described(hello, version)

    def check_clock(self) -> list[Finding]:
        """Compare this machine's clock with MongoDB's."""
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            described = describe_offset(synchronize(self._db))
        if described:
            advice = "Times are corrected by this. Set the wrong clock, and run a time server."
            return warn(f"this machine's is {described}", advice)
        return ok("this machine's agrees with MongoDB's")

    def check_data_version(self) -> list[Finding]:
        """Check that this program reads the stored data, and that its migrations are complete."""
        program = self._program_version
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            stored = schema_version.stored_schema(self._db)
        if program < stored.min_reader:
            found = f"the data needs version {stored.min_reader}; this program knows {program}"
            return fail(found, "Install the newer release that upgraded the database.")
        if stored.version < program:
            found = f"migrations to version {program} are not complete (at {stored.version})"
            return warn(found, "The jobs run them: keep the jobs running, and see their log.")
        return ok(f"version {stored.version}; this program knows {program}")

    def check_private_tickets(self) -> list[Finding]:
        """Check that the legacy backend does not show private tickets to moderators."""
        now = self._clock()
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            state = private_tickets.load_state(self._db)
        if not state.is_legacy_in_use(now) or state.legacy_wrote_at is None:
            return ok("can be filed")
        found = f"the old backend wrote on {state.legacy_wrote_at:%d %b %Y}"
        if state.is_accepted:
            return warn(f"can be filed, but {found}", private_tickets.LEGACY_WARNING)
        advice = "It does not know them. Stop it for 30 days, or allow them in Home under Settings."
        return warn(f"off: {found}", advice)

    def check_indexes(self) -> list[Finding]:
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            missing = self._missing_indexes(self._db)
        if missing:
            advice = "Keep the jobs running: they build them, and their log shows the progress."
            return fail(f"missing or changed: {', '.join(map(str, missing))}", advice)
        return ok("every index is there")

    def check_accounts(self) -> list[Finding]:
        """Count the active accounts, and find email addresses with several confirmed accounts."""
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            wanted = {"email": True, "emailKey": True, "role": True, "active": True}
            docs = list(self._db.users.find({}, wanted))
            unproved = {user.id for user in self._unproved_users()}
        findings = _duplicate_emails([doc for doc in docs if doc["_id"] not in unproved])
        active = [user for user in map(User.from_doc, docs) if user.active]
        count = {role: sum(user.role is role for user in active) for role in Role}
        if not count[Role.ADMIN]:
            findings += self._no_admin()
        elif not count[Role.MODERATOR]:
            advice = "python app.py users role ADDRESS moderator makes one."
            findings += warn("no moderator: admins get every ticket", advice)
        return findings or ok(
            f"{len(active)} active, of them {pluralize(count[Role.MODERATOR], 'moderator')} "
            f"and {pluralize(count[Role.ADMIN], 'admin')}"
        )

    def check_addresses(self) -> list[Finding]:
        """Name the accounts whose address is not confirmed, those of ADMIN_EMAILS first."""
        unconfirmed = self._unconfirmed_emails()
        findings = []
        for email in sorted(e for e in unconfirmed if email_key(e) in self._admin_emails):
            findings += warn(
                f"{email} is in ADMIN_EMAILS, but its account's address is not confirmed",
                "Its owner becomes an admin at their first use in Slack. If you know the owner, "
                f"run: python app.py users confirm {email}, then: users role {email} admin",
            )
        others = [e for e in unconfirmed if email_key(e) not in self._admin_emails]
        if others:
            listed = ", ".join(sorted(others)[:MAX_LISTED_EMAILS])
            unlisted = len(others) - MAX_LISTED_EMAILS
            more = f" and {unlisted} more" if unlisted > 0 else ""
            advice = "They get no role. If you know an owner: python app.py users confirm ADDRESS"
            message = f"{pluralize(len(others), 'account')} not confirmed: {listed}{more}"
            findings.append(Finding(CheckStatus.OK, message, advice))
        return findings or ok("every account's address is confirmed")

    def _unconfirmed_emails(self) -> list[str]:
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            users = self._unproved_users()
            linked = set(self._db.links.distinct("userId", {"stopped": None}))
        users.sort(key=lambda user: email_key(user.email) not in self._admin_emails)
        to_ask = [user for user in users if user.id in linked][:MAX_ASKED_ACCOUNTS]
        confirmation = EmailConfirmation(self._db, self._look_up_member, clock=self._clock)
        asked = {user.id: confirmation.is_confirmed(user) for user in to_ask}
        return [user.email for user in users if not asked.get(user.id)]

    def _unproved_users(self) -> list[User]:
        """Return the accounts that only Slack may confirm. Their passwords are not read."""
        query = {
            "password": {"$gt": ""},
            "emailConfirmedAt": None,
            "role": {"$nin": [Role.MODERATOR, Role.ADMIN]},
            "active": {"$ne": False},
        }
        found = self._db.users.find(query, {"email": True}).sort("_id")
        return [replace(User.from_doc(doc), has_password=True) for doc in found]

    def _no_admin(self) -> list[Finding]:
        if self._admin_emails:
            return warn("no admin yet", "Those in ADMIN_EMAILS become one at their first use.")
        advice = "Set ADMIN_EMAILS, or run: python app.py users create ADDRESS --role admin"
        return warn("no admin, so no one is notified of tickets that no one can take", advice)

    def team_id(self) -> str | None:
        """Return the id of the workspace of this database; None before the bot's first start."""
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            known = self._db.meta.find_one({"_id": "installation"})
        return str(known["teamId"]) if known else None

    def event_arrivals(self) -> dict[str, datetime]:
        """Return when each kind of event last came."""
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            return event_arrivals.load_event_arrivals(self._db)

    def slack_settings(self) -> SlackSettings:
        """Return what admins have set; without MongoDB nothing, as other checks say why."""
        if not self._uri:
            return SlackSettings()
        try:
            with pymongo.timeout(SETTINGS_TIMEOUT_SECONDS):
                return load_slack_settings(self._db)
        except (PyMongoError, ValueError):
            return SlackSettings()

    def read(self, load: Callable[[Mongo], T]) -> T:
        """Return what `load` reads, for checks that other packages make."""
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            return load(self._db)

    def check_emoji(self, variable: str) -> list[Finding]:
        """Name the emoji that files a message. `variable` is the value of TICKET_EMOJI."""
        stored = self.slack_settings().ticket_emoji
        source = "Settings" if stored else "TICKET_EMOJI or its default"
        return ok(f":{stored or variable}:, from {source}")

    def check_jobs(self) -> list[Finding]:
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            holder = leases.lease_holder(self._db, "jobs", now=self._clock())
            runs = job_health.load_job_runs(self._db)
            stuck = job_health.find_failing(self._db, now=self._clock())
        if holder is None:
            return [*fail("none leads", "Run: python app.py jobs"), *stuck]
        found = [*job_health.job_problems(runs, now=self._clock()), *stuck]
        went = job_health.describe_runs(runs, now=self._clock())
        return found or ok(f"one process leads; {went}" if went else "one process leads")

    def check_outbox(self) -> list[Finding]:
        """Check the age of changes that are not delivered yet."""
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            ages = pending.outbox_ages(self._db, now=self._clock())
        if not ages:
            return ok("empty")
        tickets, age = pluralize(len(ages), "ticket"), format_duration(ages[0])
        found = f"{tickets}, the oldest change {age} old"
        if ages[0] < LATE_OUTBOX_AGE:
            return ok(found)
        advice = "If worker and jobs are alive, the worker's log says why."
        return fail(found, advice) if ages[0] >= STUCK_OUTBOX_AGE else warn(found, advice)

    def check_deliveries(self) -> list[Finding]:
        """Name the tickets with messages that were given up because no operator acted."""
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            given_up = deliveries.find_given_up(
                self._db, created_after=self._clock() - GIVEN_UP_PERIOD, limit=MAX_LISTED_TICKETS
            )
        if not given_up:
            return ok("none given up")
        listed = ", ".join(f"{number} ({error})" for number, error in given_up)
        found = f"given up after 14 days, by ticket: {listed}"
        return warn(found, "Correct what Slack names. People see the tickets in the bot's Home.")

    def check_unassigned(self) -> list[Finding]:
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            number = pending.count_unassigned(self._db)
        if number == 0:
            return ok("no ticket waits for an assignee to become available")
        found = f"{pluralize(number, 'ticket')} that no one is available for"
        return warn(found, "Make a moderator, or raise a capacity.")

    def count_failed_analyses(self, failure: str) -> int:
        """Count the tickets of the last day for which Gemini failed in this way.

        By their creation, which has an index.
        """
        # Two stages: SecantusDB scans the collection if both conditions share one.
        pipeline: list[Document] = [
            {"$match": {"createdAt": {"$gte": self._clock() - FAILURE_PERIOD}}},
            {"$match": {"assignment.analysis.failure": failure}},
            {"$count": "count"},
        ]
        with pymongo.timeout(QUERY_TIMEOUT_SECONDS):
            found = list(self._db.tickets.aggregate(pipeline))
        return found[0]["count"] if found else 0


def _described(hello: Document, version: str) -> list[Finding]:
    if hello.get("setName"):
        return ok(f"{version}, replica set {hello['setName']}; a majority takes writes")
    if hello.get("msg") == "isdbgrid":
        return ok(f"{version}, sharded; a majority takes writes")
    advice = "Use a replica set if tickets must survive the loss of a machine."
    return warn(f"{version}, a single server, which takes writes", advice)


def _connection_failure(error: PyMongoError) -> list[Finding]:
    kind = type(error).__name__
    if isinstance(error, ConfigurationError):
        return fail(f"MONGO_URI cannot be used ({kind})", "Check how it is written.")
    if isinstance(error, OperationFailure) and error.code in UNAUTHORIZED:
        advice = "Check name and password in MONGO_URI, and that the user may write."
        return fail(f"it refuses the user of MONGO_URI ({error.code})", advice)
    advice = "Start it, or check host, port and firewall (for Atlas: the IP access list)."
    return fail(f"it cannot be reached at MONGO_URI ({kind})", advice)


def _write_failure(error: PyMongoError) -> list[Finding]:
    if not is_failing(error) or (isinstance(error, OperationFailure) and error.code in NO_RIGHTS):
        return _connection_failure(error)
    reason = getattr(error, "code", None) or type(error).__name__
    return fail(
        f"it answers, but stores nothing (error {reason})",
        "Look at the free space of its disk (for Atlas: at the quota) and at its log.",
    )


def _duplicate_emails(docs: list[Document]) -> list[Finding]:
    by_key: defaultdict[str, list[str]] = defaultdict(list)
    for doc in docs:
        key = doc.get("emailKey") or email_key(str(doc.get("email") or ""))
        by_key[key].append(str(doc["_id"]))
    duplicates = [
        f"{key} ({', '.join(ids)})" for key, ids in by_key.items() if key and len(ids) > 1
    ]
    if not duplicates:
        return []
    unlisted = len(duplicates) - MAX_LISTED_EMAILS
    more = f" and {unlisted} more" if unlisted > 0 else ""
    found = f"addresses with several accounts: {'; '.join(duplicates[:MAX_LISTED_EMAILS])}{more}"
    return warn(found, "Their owners can use none of them: delete all but one of each.")
