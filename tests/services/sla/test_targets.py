"""The targets as they are stored, read and checked, and what is kept of them for a moment."""

from dataclasses import replace
from typing import Any

import pytest

from services.calendar.office_hours import Office
from services.core.database import Mongo
from services.core.errors import Denied, Invalid
from services.core.ttl_cache import TtlCache, forget
from services.models.permissions import OPERATOR, Actor
from services.models.ticket import Priority
from services.models.user import Role
from services.sla.policy import ALWAYS, SlaPolicy, rules, rules_now
from services.sla.targets import URGENCY, Hours, TargetFields, Targets, checked_targets, targets_of
from services.team_settings.settings_service import TargetStore
from tests.conftest import People, at_once

USUAL = TargetFields.of(Targets())


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
    assert Targets().time_for(None) == Targets().time_for(Priority.MEDIUM)
    assert Targets().time_to_accept(None) == Targets().time_to_accept(Priority.MEDIUM)


def test_what_is_written_is_read(db: Mongo, people: People) -> None:
    store, wanted = TargetStore(db), replace(USUAL, hours_urgent="1,5", clock="around")
    assert store.read() == Targets()
    written = store.write(actor=Actor.of(people.add(Role.ADMIN)), wanted=wanted)
    assert store.read() == written
    assert (written.hours[Priority.URGENT], written.clock) == (1.5, Hours.AROUND)
    assert TargetFields.of(written) == replace(wanted, hours_urgent="1.5")


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_only_admins_set_them(db: Mongo, people: People, role: Role) -> None:
    with pytest.raises(Denied):
        TargetStore(db).write(actor=Actor.of(people.add(role)), wanted=USUAL)
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
def test_what_is_refused(field: str, text: str, words: str | None) -> None:
    with pytest.raises(Invalid) as refused:
        checked_targets(replace(USUAL, **{field: text}))
    if words:
        assert (refused.value.field, str(refused.value)) == (field, words)
    else:  # the other of the two that are out of order
        assert refused.value.field == "hours_high"


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {},
        {"hours": 8, "accept": [], "clock": None, "waitingDays": "3", "autoCompleteDays": True},
        {"hours": {"urgent": 4, "high": 8, "medium": 24}},
        {"hours": {"urgent": 9, "high": 8, "medium": 24, "low": 40}},
        {"accept": dict.fromkeys(URGENCY, float("nan")), "waitingDays": float("inf")},
        {"hours": dict.fromkeys(URGENCY, 0)},
    ],
)
def test_what_makes_no_sense_is_as_if_it_were_not_set(stored: dict[str, Any] | None) -> None:
    assert targets_of(stored) == Targets()


def test_the_mark_is_of_all_that_counts() -> None:
    targets, office = Targets(), Office()
    mark = SlaPolicy.of(targets, office).mark
    assert len(mark) == 8
    assert SlaPolicy.of(Targets(), Office(is_set=True)).mark == mark
    others = [
        SlaPolicy.of(replace(targets, clock=Hours.AROUND), office),
        SlaPolicy.of(replace(targets, waiting_days=9), office),
        SlaPolicy.of(checked_targets(replace(USUAL, accept_low="500")), office),
        SlaPolicy.of(targets, replace(office, zone="Europe/Berlin")),
        SlaPolicy.of(targets, replace(office, country="DE")),
    ]
    assert len({mark, *(other.mark for other in others)}) == 6
    assert others[0].week is ALWAYS


def test_a_process_keeps_them_a_moment_and_knows_of_its_own_changes(db: Mongo) -> None:
    before = rules(db)
    db.settings.insert_one({"_id": "targets", "clock": "around"})
    assert rules(db) is before
    assert rules_now(db).targets.clock is Hours.AROUND
    TargetStore(db).write(actor=OPERATOR, wanted=replace(USUAL, waiting_days="9"))
    assert rules(db).targets.waiting_days == 9


def test_what_is_kept_is_read_anew_after_five_seconds(db: Mongo) -> None:
    now, reads = [100.0], iter(range(9))
    kept: TtlCache[int] = TtlCache(seconds=lambda: now[0])

    def get() -> int:
        return kept.get(db, lambda _: next(reads))

    assert [get(), get()] == [0, 0]
    now[0] += 5
    assert [get(), get()] == [1, 1]
    forget(db)
    assert get() == 2
    assert kept.get(db.client["another"], lambda _: -1) == -1
    assert get() == 2


def test_what_was_read_before_a_change_is_not_kept_after_it(db: Mongo) -> None:
    kept: TtlCache[str] = TtlCache()

    def read_while_it_changes(_: Mongo) -> str:
        forget(db)
        return "old"

    assert kept.get(db, read_while_it_changes) == "old"
    assert kept.get(db, lambda _: "new") == "new"
    assert at_once(*[lambda: kept.get(db, lambda _: "other")] * 4) == ["new"] * 4
