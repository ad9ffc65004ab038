"""SLA targets: stored, read, validated and cached."""

from dataclasses import replace
from typing import Any

import pytest

from services.calendar.business_hours import BusinessHours
from services.core.database import Mongo
from services.core.errors import InvalidValue, PermissionDenied
from services.core.ttl_cache import invalidate_caches, ttl_cached
from services.models.permissions import OPERATOR, Actor
from services.models.ticket import Priority
from services.models.user import Role
from services.sla.policy import (
    AROUND_THE_CLOCK,
    PRIORITIES_BY_URGENCY,
    CountedHours,
    SlaPolicy,
    TargetFields,
    Targets,
    cached_policy,
    checked_targets,
    load_policy,
    targets_from_doc,
)
from services.team_settings.settings_service import TeamSettings
from tests.conftest import People, at_once

USUAL = TargetFields.from_targets(Targets())


def test_the_usual_ones() -> None:
    assert (
        TargetFields(
            hours_urgent="4",
            hours_high="8",
            hours_medium="24",
            hours_low="40",
            accept_urgent="15",
            accept_high="60",
            accept_medium="240",
            accept_low="480",
            clock="business",
            waiting_days="3",
            auto_complete_days="4",
        )
        == USUAL
    )
    assert checked_targets(USUAL) == Targets()
    assert Targets().resolution_time(None) == Targets().resolution_time(Priority.MEDIUM)
    assert Targets().acceptance_time(None) == Targets().acceptance_time(Priority.MEDIUM)


def test_targets_are_read_as_written(db: Mongo, people: People) -> None:
    store, wanted = TeamSettings(db), replace(USUAL, hours_urgent="1,5", clock="around")
    assert store.targets() == Targets()
    written = store.write_targets(actor=Actor.from_user(people.add(Role.ADMIN)), submitted=wanted)
    assert store.targets() == written
    assert (written.resolution_hours[Priority.URGENT], written.counted_hours) == (
        1.5,
        CountedHours.AROUND_THE_CLOCK,
    )
    assert TargetFields.from_targets(written) == replace(wanted, hours_urgent="1.5")


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_only_admins_set_them(db: Mongo, people: People, role: Role) -> None:
    with pytest.raises(PermissionDenied):
        TeamSettings(db).write_targets(actor=Actor.from_user(people.add(role)), submitted=USUAL)
    assert db.settings.count_documents({}) == 0


HOURS_WORDS = "Write hours from 0.25 to 2,000, such as 8."
DAYS_WORDS = "Write a whole number from 1 to 60."
MINUTES_WORDS = "Write a whole number from 1 to 10,000."


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("hours_urgent", "", HOURS_WORDS),
        ("hours_urgent", "0", HOURS_WORDS),
        ("hours_urgent", "-4", HOURS_WORDS),
        ("hours_low", "2001", HOURS_WORDS),
        ("hours_low", "nan", HOURS_WORDS),
        ("hours_low", "inf", HOURS_WORDS),
        ("hours_low", "1e99", HOURS_WORDS),
        ("hours_low", "４０", HOURS_WORDS),
        ("hours_low", "soon", HOURS_WORDS),
        ("hours_high", "3", "Write no less than for urgent: the more urgent comes first."),
        ("hours_urgent", "9", None),
        ("accept_low", "0", MINUTES_WORDS),
        ("accept_low", "1.5", MINUTES_WORDS),
        ("accept_low", "10001", MINUTES_WORDS),
        ("accept_low", "9" * 5_000, MINUTES_WORDS),
        ("accept_medium", "59", "Write no less than for high: the more urgent comes first."),
        ("clock", "mine", "Choose which hours count."),
        ("waiting_days", "61", DAYS_WORDS),
        ("auto_complete_days", "-1", DAYS_WORDS),
    ],
)
def test_invalid_targets_are_refused(field: str, text: str, words: str | None) -> None:
    with pytest.raises(InvalidValue) as refused:
        checked_targets(replace(USUAL, **{field: text}))
    if words:
        assert (refused.value.field, str(refused.value)) == (field, words)
    else:  # the lower of the two priorities that are out of order
        assert refused.value.field == "hours_high"


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {},
        {"hours": 8, "accept": [], "clock": None, "waitingDays": "3", "autoCompleteDays": True},
        {"hours": {"urgent": 4, "high": 8, "medium": 24}},
        {"hours": {"urgent": 9, "high": 8, "medium": 24, "low": 40}},
        {"accept": dict.fromkeys(PRIORITIES_BY_URGENCY, float("nan")), "waitingDays": float("inf")},
        {"hours": dict.fromkeys(PRIORITIES_BY_URGENCY, 0)},
    ],
)
def test_malformed_targets_are_replaced_by_defaults(stored: dict[str, Any] | None) -> None:
    assert targets_from_doc(stored) == Targets()


def test_the_fingerprint_covers_all_that_counts() -> None:
    targets, hours = Targets(), BusinessHours()
    fingerprint = SlaPolicy.build(targets, hours).fingerprint
    assert len(fingerprint) == 8
    assert SlaPolicy.build(Targets(), BusinessHours(is_configured=True)).fingerprint == fingerprint
    others = [
        SlaPolicy.build(replace(targets, counted_hours=CountedHours.AROUND_THE_CLOCK), hours),
        SlaPolicy.build(replace(targets, waiting_days=9), hours),
        SlaPolicy.build(checked_targets(replace(USUAL, accept_low="500")), hours),
        SlaPolicy.build(targets, replace(hours, zone="Europe/Berlin")),
        SlaPolicy.build(targets, replace(hours, country="DE")),
    ]
    assert len({fingerprint, *(other.fingerprint for other in others)}) == 6
    assert others[0].work_week is AROUND_THE_CLOCK


def test_a_process_keeps_them_a_moment_and_knows_of_its_own_changes(db: Mongo) -> None:
    before = cached_policy(db)
    db.settings.insert_one({"_id": "targets", "clock": "around"})
    assert cached_policy(db) is before
    assert load_policy(db).targets.counted_hours is CountedHours.AROUND_THE_CLOCK
    TeamSettings(db).write_targets(actor=OPERATOR, submitted=replace(USUAL, waiting_days="9"))
    assert cached_policy(db).targets.waiting_days == 9


def test_a_cached_value_is_read_again_after_five_seconds(db: Mongo) -> None:
    now, reads = [100.0], iter(range(9))
    get = ttl_cached(lambda _: next(reads), timer=lambda: now[0])
    assert [get(db), get(db)] == [0, 0]
    now[0] += 5
    assert [get(db), get(db)] == [1, 1]
    invalidate_caches()
    assert get(db) == 2
    assert get(db.client["another"]) == 3
    assert get(db) == 2


def test_value_read_before_a_change_is_not_cached(db: Mongo) -> None:
    values, changes = iter(["old", "new", "other"]), iter([invalidate_caches])

    @ttl_cached
    def get(_: Mongo) -> str:
        value = next(values)
        for change in changes:  # the first time, while the value is read
            change()
        return value

    assert get(db) == "old"
    assert get(db) == "new"
    assert at_once(*[lambda: get(db)] * 4) == ["new"] * 4
