"""The audit log: an entry for each change of an account, none for a change that did not happen."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from services.account_admin.account_admin import PersonFields
from services.audit import audit_log
from services.auth import password_reset
from services.auth.one_time_codes import CodeKind
from services.availability.availability_service import AvailabilityChange
from services.availability.slack_status import StatusRules
from services.core.database import Document, Mongo
from services.core.errors import Conflict, InvalidValue, PermissionDenied
from services.linking.account_linking import AccountLinking
from services.models.permissions import OPERATOR, Actor
from services.models.slack_member import SlackMember, link_id
from services.models.user import Role, User
from services.registry.services import Services
from services.sla.policy import TargetFields
from services.team_settings.settings_service import BusinessHoursFields
from tasks.processes import jobs
from tasks.queue.job_registry import JobContext
from tests.conftest import Commands, FixedClock, People, RecordingPublisher, at_once
from tests.services.registry.test_indexes import use_all
from tests.support.slack_workspace import TEAM_ID

EMAIL, PASSWORD = "jo@example.com", "correct horse battery"
MEMBER = SlackMember(TEAM_ID, "U0JO", TEAM_ID, EMAIL, email_confirmed=True, name="Jo")

Line = tuple[Any, str, Any, Any, Any]


@pytest.fixture
def boss(people: People, db: Mongo) -> Actor:
    """An admin; the log is empty."""
    actor = Actor.from_user(people.add(Role.ADMIN, linked=False))
    db.audit.delete_many({})
    return actor


@pytest.fixture
def mo(people: People, boss: Actor, db: Mongo) -> User:
    user = people.add(Role.MODERATOR, "VPN")
    db.audit.delete_many({})
    return user


def lines(db: Mongo) -> list[Line]:
    """The entries in order, without their time."""
    return [
        (doc["by"], doc["action"], doc["subject"], doc["from"], doc["to"])
        for doc in db.audit.find().sort("_id")
    ]


def pending(db: Mongo) -> list[Document]:
    return [
        entry
        for name in audit_log.AUDITED_COLLECTIONS
        for doc in db[name].find({audit_log.PENDING_FIELD: {"$ne": None}})
        for entry in doc[audit_log.PENDING_FIELD]
    ]


def test_an_admins_change_has_an_entry_for_each_field(
    db: Mongo, services: Services, boss: Actor, mo: User, clock: FixedClock
) -> None:
    shown = PersonFields.from_user(mo)
    wanted = replace(shown, role="user", skills="VPN, DNS", capacity="3", active="deactivated")
    services.account_admin.update(actor=boss, user_id=str(mo.id), shown=shown, wanted=wanted)
    assert lines(db) == [
        (boss.user_id, "account.role", mo.id, "moderator", "user"),
        (boss.user_id, "account.skills", mo.id, ["VPN"], ["VPN", "DNS"]),
        (boss.user_id, "account.capacity", mo.id, 8, 3),
        (boss.user_id, "account.active", mo.id, True, False),
    ]
    now = clock().replace(microsecond=clock().microsecond // 1000 * 1000)
    assert {doc["at"] for doc in db.audit.find()} == {now}
    assert pending(db) == []


def test_the_command_line_and_the_owner_are_constants(
    db: Mongo, services: Services, boss: Actor, mo: User
) -> None:
    services.users.update(actor=OPERATOR, email=mo.email, role="admin")
    services.account_admin.update_own(actor=Actor(mo.id, Role.ADMIN), name="Mo", skills="DNS")
    assert lines(db) == [
        ("command line", "account.role", mo.id, "moderator", "admin"),
        ("self", "account.name", mo.id, None, None),
        ("self", "account.skills", mo.id, ["VPN"], ["DNS"]),
    ]


def test_what_an_account_goes_through(db: Mongo, services: Services) -> None:
    sign_in, profiles = services.sign_in, services.profiles
    jo = sign_in.sign_up(email=EMAIL, password=PASSWORD, name="Jo Doe")
    actor = Actor.from_user(jo)
    profiles.update_own(actor=actor, password="another horse 12", current_password=PASSWORD)
    code = password_reset.issue_reset_code(
        services.users, services.codes, actor=OPERATOR, email=EMAIL
    )
    services.password_resets.reset(code=code, password=PASSWORD)
    link(services, jo)
    services.account_linking.unlink(actor=actor, team_id=TEAM_ID, slack_user_id="U0JO")
    assert lines(db) == [
        ("self", "account.created", jo.id, None, "user"),
        ("self", "account.password", jo.id, None, None),
        ("command line", "account.reset_link_issued", jo.id, None, None),
        ("self", "account.password_reset", jo.id, None, None),
        ("self", "account.linked", jo.id, None, None),
        ("self", "account.unlinked", jo.id, None, None),
    ]
    assert pending(db) == []


def link(services: Services, user: User) -> None:
    linking: AccountLinking = services.account_linking
    code = services.codes.issue(kind=CodeKind.LINK, user_id=user.id)
    offer = linking.preview_code(member=MEMBER, code=code)
    linking.confirm_code(member=MEMBER, code_id=offer.code_id)


def test_a_member_who_links_another_account_leaves_the_first(
    db: Mongo, services: Services, users: Any
) -> None:
    first = services.links.get_or_create_user(MEMBER)
    other = users.create(actor=OPERATOR, email="other@example.com", name="Other")
    link(services, other)
    link(services, first)
    assert lines(db) == [
        ("self", "account.linked", first.id, None, None),
        ("self", "account.created", first.id, None, "user"),
        ("command line", "account.created", other.id, None, "user"),
        ("self", "account.unlinked", first.id, None, None),
        ("self", "account.linked", other.id, None, None),
        ("self", "account.unlinked", other.id, None, None),
        ("self", "account.linked", first.id, None, None),
    ]


def test_an_address_that_slack_changes(db: Mongo, services: Services) -> None:
    jo = services.links.get_or_create_user(MEMBER)
    db.audit.delete_many({})
    services.member_sync.sync(member=replace(MEMBER, email="jo.doe@example.com"))
    assert lines(db) == [("system", "account.email", jo.id, None, None)]
    assert pending(db) == []


def test_the_end_of_a_suspended_link(db: Mongo, services: Services) -> None:
    jo = services.links.get_or_create_user(MEMBER)
    db.audit.delete_many({})
    services.member_sync.sync(member=replace(MEMBER, is_deleted=True))
    code = services.codes.issue(kind=CodeKind.LINK, user_id=jo.id)
    member = replace(MEMBER, slack_user_id="U0NEW")
    offer = services.account_linking.preview_code(member=member, code=code)
    services.account_linking.confirm_code(member=member, code_id=offer.code_id)
    assert lines(db) == [
        ("self", "account.unlinked", jo.id, None, None),
        ("self", "account.linked", jo.id, None, None),
    ]


# What did not happen


def test_a_refused_change_has_no_entry(
    db: Mongo, services: Services, boss: Actor, mo: User
) -> None:
    shown = PersonFields.from_user(mo)
    with pytest.raises(InvalidValue):
        services.account_admin.update(
            actor=boss, user_id=str(mo.id), shown=shown, wanted=replace(shown, capacity="many")
        )
    with pytest.raises(PermissionDenied):
        services.users.update(actor=Actor.from_user(mo), email=mo.email, role="admin")
    admin = services.users.get(boss.user_id)
    assert admin is not None
    with pytest.raises(Conflict):  # the last admin
        services.users.update(actor=OPERATOR, email=admin.email, role="user")
    with pytest.raises(Conflict):
        services.users.create(actor=boss, email=mo.email)
    services.users.update(actor=boss, email=mo.email, role="moderator")  # has it already
    assert lines(db) == []
    assert pending(db) == []


def test_of_concurrent_changes_each_has_its_own_entry(
    db: Mongo, services: Services, boss: Actor, mo: User
) -> None:
    def change(skill: str) -> Callable[[], object]:
        return lambda: services.users.update(actor=boss, email=mo.email, skills=[skill])

    at_once(*[change(f"S{number}") for number in range(8)])
    assert pending(db) == []
    entries = {doc["_id"]: (doc["from"], doc["to"]) for doc in db.audit.find()}
    assert sorted(to for _, to in entries.values()) == [[f"S{number}"] for number in range(8)]
    chain, current = {from_[0]: to[0] for from_, to in entries.values()}, "VPN"
    for _ in range(8):
        current = chain[current]
    stored = services.users.get(mo.id)
    assert stored is not None
    assert stored.skills == (current,)


def test_what_a_killed_process_has_left_is_moved_once(
    db: Mongo,
    services: Services,
    boss: Actor,
    mo: User,
    clock: FixedClock,
    publisher: RecordingPublisher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(audit_log, "_move", _fail)
        services.users.update(actor=boss, email=mo.email, role="user")
        services.status_rules.write(actor=boss, away=["Kur"], available=[])
        services.account_linking.link_by_email(member=MEMBER)
    assert lines(db) == []
    assert len(pending(db)) == 4
    upkeep(services, publisher)
    assert lines(db) == []  # may still be in progress
    clock.advance(minutes=2)
    upkeep(services, publisher)
    upkeep(services, publisher)
    assert pending(db) == []
    assert sorted(action for _, action, *_ in lines(db)) == [
        "account.created",
        "account.linked",
        "account.role",
        "settings.away",
    ]
    for name in audit_log.AUDITED_COLLECTIONS:
        assert db[name].count_documents({audit_log.PENDING_FIELD: {"$exists": True}}) == 0


def _fail(*_: object) -> None:
    raise AutoReconnect


def upkeep(services: Services, publisher: RecordingPublisher) -> None:
    jobs.run_upkeep(JobContext(services, publisher, lambda: True))


def test_an_entry_is_moved_once_if_its_process_was_killed_in_between(
    db: Mongo, boss: Actor, clock: FixedClock
) -> None:
    entry = audit_log.AuditEntry(clock(), audit_log.SYSTEM, "account.role", boss.user_id)
    db.users.update_one({"_id": boss.user_id}, {"$set": audit_log.pending_field(entry)})
    db.audit.insert_one(entry.to_doc())
    clock.advance(minutes=2)
    assert audit_log.move_all_pending(db, before=clock()) == 1
    assert len(lines(db)) == 1
    assert pending(db) == []


def test_entries_are_kept_for_400_days_or_as_long_as_the_setting_says(
    db: Mongo,
    services: Services,
    boss: Actor,
    mo: User,
    clock: FixedClock,
    publisher: RecordingPublisher,
) -> None:
    services.users.update(actor=boss, email=mo.email, role="user")
    clock.advance(days=399)
    services.users.update(actor=boss, email=mo.email, role="moderator")
    upkeep(services, publisher)
    assert len(lines(db)) == 2
    clock.advance(days=1, seconds=1)
    upkeep(services, publisher)
    assert [to for *_, to in lines(db)] == ["moderator"]
    services.audit_retention = timedelta(days=1)
    upkeep(services, publisher)
    assert lines(db) == []


# Privacy


def test_erasure_replaces_the_id(
    db: Mongo, services: Services, people: People, boss: Actor, mo: User
) -> None:
    leaver = people.add(Role.ADMIN)
    services.users.update(actor=Actor.from_user(leaver), email=mo.email, role="user")
    services.users.update(actor=boss, email=leaver.email, role="moderator")
    with_pending = audit_log.AuditEntry(services.clock(), leaver.id, "settings.clock", "targets")
    db.settings.insert_one({"_id": "targets", **audit_log.pending_field(with_pending)})
    services.erasure.erase(actor=boss, email=leaver.email)
    assert pending(db) == []
    found = lines(db)
    assert leaver.id not in [side for by, _, subject, *_ in found for side in (by, subject)]
    (pseudonym,) = {by for by, action, *_ in found if action == "account.role"} - {boss.user_id}
    assert isinstance(pseudonym, ObjectId)
    assert services.users.get(pseudonym) is None
    assert sorted(found, key=str) == sorted(
        [
            ("command line", "account.created", pseudonym, None, "admin"),
            (pseudonym, "account.role", mo.id, "moderator", "user"),
            (boss.user_id, "account.role", pseudonym, "admin", "moderator"),
            (pseudonym, "settings.clock", "targets", None, None),
            (boss.user_id, "account.active", pseudonym, True, False),
            (boss.user_id, "account.erased", pseudonym, None, None),
        ],
        key=str,
    )
    assert str(pseudonym) not in str(db.users.find_one({"_id": leaver.id}))


def test_the_export_has_what_a_person_did_and_what_was_done_to_them(
    db: Mongo, services: Services, boss: Actor, mo: User, people: People
) -> None:
    other = people.add()
    services.users.update(actor=boss, email=mo.email, role="admin")
    services.users.update(actor=Actor(mo.id, Role.ADMIN), email=other.email, role="moderator")
    services.users.update(actor=boss, email=other.email, role="user")
    exported = services.data_export.export(actor=OPERATOR, email=mo.email)
    (account,) = exported["accounts"]
    found = [(entry["by"], entry["action"], entry["subject"]) for entry in account["audit"]]
    assert found == [
        (str(boss.user_id), "account.role", str(mo.id)),
        (str(mo.id), "account.role", str(other.id)),
    ]
    assert audit_log.PENDING_FIELD not in account["account"]


def test_no_address_name_or_typed_text_is_stored(db: Mongo, services: Services) -> None:
    services.sign_in.sign_up(email="quixote@example.com", password="windmills 4", name="Quixote")
    jo = services.users.find_by_email("quixote@example.com")[0]
    services.profiles.update_own(
        actor=Actor.from_user(jo), name="Don Quixote", password="sancho 1605",
        current_password="windmills 4",
    )  # fmt: skip
    services.status_rules.write(actor=OPERATOR, away=["Quixote is away"], available=[])
    assert len(lines(db)) == 4
    stored = str(list(db.audit.find())).lower()
    assert not any(word in stored for word in ("quixote", "example.com", "windmills", "sancho"))


# Nothing that an admin may change is left out. A new field of one of the forms fails here until
# it has an example, and an entry.

PERSON = {"role": "admin", "skills": "DNS", "capacity": "3", "active": "deactivated"}
OWN = {"name": "Mona", "skills": ["DNS"], "password": "another horse 12"}
AVAILABILITY = {
    "is_away": False,
    "away_until": timedelta(days=3),
    "days": frozenset({1}),
    "start": "07:30",
    "end": "19:30",
    "country": "DE",
    "zone": "Asia/Tokyo",
}
TARGETS = {
    "hours_urgent": "0.5",
    "hours_high": "5",
    "hours_medium": "20",
    "hours_low": "99",
    "accept_urgent": "5",
    "accept_high": "45",
    "accept_medium": "100",
    "accept_low": "999",
    "clock": "around",
    "waiting_days": "1",
    "auto_complete_days": "9",
}
BUSINESS_HOURS = {
    "zone": "Asia/Tokyo",
    "days": "1,2",
    "start": "08:30",
    "end": "18:30",
    "country": "DE",
    "subdivision": "BY",
}
STATUS_WORDS = {"away": ["Kur"], "available": ["da"]}


def names_of(form: type[Any]) -> set[str]:
    return {field.name for field in fields(form)}


def test_every_field_of_the_forms_has_an_example() -> None:
    assert set(PERSON) == names_of(PersonFields)
    assert set(AVAILABILITY) == names_of(AvailabilityChange)
    assert set(TARGETS) == names_of(TargetFields)
    assert set(BUSINESS_HOURS) == names_of(BusinessHoursFields)
    assert set(STATUS_WORDS) == names_of(StatusRules)


@pytest.mark.parametrize("field", PERSON)
def test_each_field_of_a_person(
    db: Mongo, services: Services, boss: Actor, mo: User, field: str
) -> None:
    shown = PersonFields.from_user(mo)
    wanted = replace(shown, **{field: PERSON[field]})
    services.account_admin.update(actor=boss, user_id=str(mo.id), shown=shown, wanted=wanted)
    ((by, action, subject, from_, to),) = lines(db)
    assert (by, action, subject) == (boss.user_id, f"account.{field}", mo.id)
    assert from_ != to


@pytest.mark.parametrize("field", OWN)
def test_each_field_of_the_own_profile(
    db: Mongo, services: Services, boss: Actor, field: str
) -> None:
    jo = services.sign_in.sign_up(email=EMAIL, password=PASSWORD)
    db.audit.delete_many({})
    given: dict[str, Any] = {field: OWN[field], "current_password": PASSWORD}
    services.profiles.update_own(actor=Actor.from_user(jo), **given)
    assert [(by, action) for by, action, *_ in lines(db)] == [("self", f"account.{field}")]


@pytest.mark.parametrize("field", AVAILABILITY)
def test_each_field_of_another_persons_availability(
    db: Mongo, services: Services, boss: Actor, mo: User, field: str
) -> None:
    away = {"until": services.clock() + timedelta(days=1), "source": "self"}
    if field == "is_away":
        db.users.update_one({"_id": mo.id}, {"$set": {"away": away}})
    value: Any = AVAILABILITY[field]
    if isinstance(value, timedelta):
        value = services.clock() + value
    change = AvailabilityChange(**{field: value})
    services.availability.update(actor=boss, user_id=str(mo.id), change=change)
    ((by, _, subject, from_, to),) = lines(db)
    assert (by, subject) == (boss.user_id, mo.id)
    assert from_ != to
    services.availability.update(actor=Actor.from_user(mo), change=change)
    assert len(lines(db)) == 1  # one's own is no business of admins


def test_the_end_of_an_own_time_zone(db: Mongo, services: Services, boss: Actor, mo: User) -> None:
    for zone in ("Asia/Tokyo", ""):
        services.availability.update(
            actor=boss, user_id=str(mo.id), change=AvailabilityChange(zone=zone)
        )
    assert [line[1:] for line in lines(db)] == [
        ("account.timezone", mo.id, None, "Asia/Tokyo"),
        ("account.timezone", mo.id, "Asia/Tokyo", None),
    ]


@pytest.mark.parametrize("field", TARGETS)
def test_each_target(db: Mongo, services: Services, boss: Actor, field: str) -> None:
    settings = services.team_settings
    shown = TargetFields.from_targets(settings.targets())  # the defaults
    wanted = replace(shown, **{field: TARGETS[field]})
    settings.set_targets(actor=boss, original=shown, submitted=wanted)
    ((by, action, subject, from_, to),) = lines(db)
    assert (by, subject) == (boss.user_id, "targets")
    assert action.startswith("settings.")
    assert from_ != to
    assert db.settings.find_one({"_id": "targets", action.partition(".")[2]: to})


@pytest.mark.parametrize("field", BUSINESS_HOURS)
def test_each_field_of_the_business_hours(
    db: Mongo, services: Services, boss: Actor, field: str
) -> None:
    settings = services.team_settings
    settings.write_business_hours(
        actor=OPERATOR, zone="UTC", days=frozenset({0}), start="09:00", end="17:00",
        country="DE" if field == "subdivision" else "",
    )  # fmt: skip
    shown = BusinessHoursFields.from_business_hours(settings.business_hours())
    db.audit.delete_many({})
    wanted = replace(shown, **{field: BUSINESS_HOURS[field]})
    settings.set_business_hours(actor=boss, original=shown, submitted=wanted)
    ((by, action, subject, from_, to),) = lines(db)
    assert (by, action, subject) == (boss.user_id, f"settings.{field}", "office")
    assert from_ != to


@pytest.mark.parametrize("field", STATUS_WORDS)
def test_each_list_of_status_words(db: Mongo, services: Services, boss: Actor, field: str) -> None:
    services.status_rules.write(
        actor=boss, **{"away": [], "available": [], field: STATUS_WORDS[field]}
    )
    name = {"away": "away", "available": "here"}[field]
    assert pending(db) == []
    assert lines(db) == [(boss.user_id, f"settings.{name}", "presence", None, None)]


def test_a_form_saved_without_a_change_has_no_entry(
    db: Mongo, services: Services, boss: Actor
) -> None:
    shown = TargetFields.from_targets(services.team_settings.targets())
    services.team_settings.set_targets(actor=boss, original=shown, submitted=shown)
    services.status_rules.write(actor=boss, away=[], available=[])
    assert lines(db) == []
    stored = list(db.settings.find())
    assert len(stored) == 2
    assert not any(audit_log.PENDING_FIELD in doc for doc in stored)


# Fields that no person changes, or only for themselves.
NOT_AUDITED = frozenset({"adminRemoval", "away", "by", "closing", "digest", "digestAside",
                         "digestAt", "digestOn", "emailKey", "erasing", "handBack", "handOver",
                         "lastAssignedAt", "mergedInto", "presence", "searchKeys", "setupHidden",
                         "stopped", "timezone", "zoneSource"})  # fmt: skip
# What Slack says about a request channel.
BY_SLACK = {"channels": {"channelPrivate", "checkedAt", "name", "state"}}
SETS = ("$set", "$setOnInsert")


def test_no_service_changes_an_account_link_or_setting_without_an_entry(
    watched_db: Mongo, commands: Commands, clock: FixedClock
) -> None:
    use_all(watched_db, clock)
    unrecorded = []
    for name, command in commands.sent:
        for collection, changed, is_recorded in changes(name, command):
            audited = {field.partition(".")[0] for field in changed} - NOT_AUDITED
            audited -= BY_SLACK.get(collection, set())
            if collection in audit_log.AUDITED_COLLECTIONS and audited and not is_recorded:
                unrecorded.append((name, collection, sorted(audited)))
    assert unrecorded == []


def changes(name: str, command: Document) -> list[tuple[str, list[str], bool]]:
    """The collection, the fields that a command sets, and whether it stores an entry, too."""
    collection = str(command.get(name))
    if name == "insert":
        own = [doc for doc in command["documents"] if len(doc) > 3]  # not those of the test
        return [(collection, list(doc), audit_log.PENDING_FIELD in doc) for doc in own]
    if name == "findAndModify":
        updates = [command.get("update") or {}]
    else:
        updates = [change["u"] for change in command.get("updates", [])]
    found = []
    for update in updates:
        values: Document = {}
        for operator in SETS:
            values |= update.get(operator, {})
        pushed = audit_log.PENDING_FIELD in update.get("$push", {})
        is_recorded = pushed or audit_log.PENDING_FIELD in values
        found.append((collection, [*values], is_recorded))
    return found


def test_links_have_entries_only_for_who_acts_as_whom(db: Mongo, services: Services) -> None:
    services.links.get_or_create_user(MEMBER)
    doc = db.links.find_one({"_id": link_id(TEAM_ID, "U0JO")}) or {}
    assert set(doc) == {"_id", "teamId", "slackUserId", "userId", "createdAt"}
