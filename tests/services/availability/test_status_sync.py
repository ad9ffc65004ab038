"""Slack statuses, stored beside what users set themselves."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.assignment.assignment_service import AssignmentService, needs_assignment
from services.availability.availability_service import AvailabilityChange, AvailabilityService
from services.availability.slack_status import (
    NO_END,
    DoNotDisturbSpan,
    MemberStatus,
    SlackStatus,
    StatusRulesStore,
)
from services.availability.status_sync import POLL_INTERVAL, StatusSync
from services.core.database import Mongo
from services.linking.links import LinkService
from services.models.permissions import OPERATOR, Actor
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, at_once, file_ticket, reload
from tests.support.slack_workspace import TEAM_ID

HERE = MemberStatus(zone="Europe/Berlin")


@pytest.fixture
def nils(people: People, db: Mongo) -> User:
    return people.add(Role.MODERATOR, "VPN")


@pytest.fixture
def own(db: Mongo, clock: FixedClock, nils: User) -> Any:
    """The status that Nils set."""
    service = AvailabilityService(db, clock=clock)
    return lambda **wanted: service.update(
        actor=Actor.from_user(nils), change=AvailabilityChange(**wanted)
    )


def on_holiday(until: datetime | None, text: str = "Vacation") -> MemberStatus:
    return MemberStatus(SlackStatus(text, ":palm_tree:", until), "Europe/Berlin")


def stored(db: Mongo, user: User) -> dict[str, Any]:
    return db.users.find_one({"_id": user.id}) or {}


def test_slack_begins_an_absence_moves_it_and_ends_it(
    status_sync: StatusSync, nils: User, db: Mongo, clock: FixedClock
) -> None:
    friday = clock() + timedelta(days=4)
    for until in (friday, friday + timedelta(days=3), None):
        status_sync.record_status(nils.id, on_holiday(until))
        away = {"until": until or NO_END, "source": "slack"}
        assert stored(db, nils)["away"] == away
    status_sync.record_status(nils.id, HERE)
    assert "away" not in stored(db, nils)
    assert "handOver" not in stored(db, nils)


def test_the_words_of_a_status_are_not_kept(status_sync: StatusSync, nils: User, db: Mongo) -> None:
    status_sync.record_status(nils.id, on_holiday(None, "Vacation with Fido at Lake Garda"))
    status_sync.record_status(
        nils.id, MemberStatus(SlackStatus("Therapy at noon", ":couch_and_lamp:"))
    )
    assert "Fido" not in str(stored(db, nils))
    assert "Therapy" not in str(stored(db, nils))


def test_what_a_person_has_said_stays(
    status_sync: StatusSync, nils: User, own: Any, db: Mongo, clock: FixedClock
) -> None:
    mine = clock() + timedelta(days=2)
    own(is_away=True, away_until=mine)
    for member in (on_holiday(clock() + timedelta(days=9)), HERE):
        status_sync.record_status(nils.id, member)
        assert stored(db, nils)["away"] == {"until": mine, "source": "self"}
    # After its end, the Slack status applies again.
    clock.now = mine
    status_sync.record_status(nils.id, on_holiday(mine + timedelta(days=7)))
    assert stored(db, nils)["away"]["source"] == "slack"


def test_who_says_that_they_are_here_is_believed_until_the_status_is_another(
    status_sync: StatusSync, nils: User, own: Any, db: Mongo, clock: FixedClock
) -> None:
    until = clock() + timedelta(days=4)
    status_sync.record_status(nils.id, on_holiday(until))
    own(is_away=False)
    for _ in range(2):
        status_sync.record_status(nils.id, on_holiday(until))
        assert "away" not in stored(db, nils)
    status_sync.record_status(nils.id, on_holiday(until + timedelta(days=1)))
    assert stored(db, nils)["away"]["until"] == until + timedelta(days=1)
    assert "waived" not in stored(db, nils)["presence"]


def test_a_status_that_is_cleared_and_set_again_counts_again(
    status_sync: StatusSync, nils: User, own: Any, db: Mongo
) -> None:
    status_sync.record_status(nils.id, on_holiday(None))
    own(is_away=False)
    status_sync.record_status(nils.id, HERE)
    status_sync.record_status(nils.id, on_holiday(None))
    assert stored(db, nils)["away"] == {"until": NO_END, "source": "slack"}


def test_the_teams_own_words_count(status_sync: StatusSync, nils: User, db: Mongo) -> None:
    StatusRulesStore(db).write(actor=OPERATOR, away=["Kur"], available=[":palm_tree:"])
    status_sync.record_status(nils.id, MemberStatus(SlackStatus("", ":palm_tree:")))
    assert "away" not in stored(db, nils)
    status_sync.record_status(nils.id, MemberStatus(SlackStatus("Zur Kur")))
    assert stored(db, nils)["away"]["source"] == "slack"


def test_the_zone_is_slacks_unless_they_have_set_one(
    status_sync: StatusSync, nils: User, own: Any, db: Mongo
) -> None:
    status_sync.record_status(nils.id, MemberStatus(zone="Asia/Tokyo"))
    assert stored(db, nils)["timezone"] == "Asia/Tokyo"
    status_sync.record_status(nils.id, MemberStatus(zone="Nowhere/Atlantis"))
    assert stored(db, nils)["timezone"] == "Asia/Tokyo"
    own(zone="America/Lima")
    status_sync.record_status(nils.id, MemberStatus(zone="Asia/Tokyo"))
    assert stored(db, nils)["timezone"] == "America/Lima"
    own(zone="")
    status_sync.record_status(nils.id, MemberStatus(zone="Asia/Tokyo"))
    assert stored(db, nils)["timezone"] == "Asia/Tokyo"


def test_do_not_disturb_is_kept_until_it_is_known_to_be_another(
    status_sync: StatusSync, nils: User, db: Mongo, clock: FixedClock, links: LinkService
) -> None:
    end = clock() + timedelta(hours=2)
    status_sync.record_status(nils.id, HERE, do_not_disturb=(DoNotDisturbSpan(clock(), end),))
    status_sync.record_status(nils.id, HERE)  # could not be read
    store = AssignmentService(db, links)
    (candidate,) = store.candidates(team_id=TEAM_ID, now=clock())
    assert (candidate.do_not_disturb_until, candidate.away_until) == (end, None)
    status_sync.record_status(nils.id, HERE, do_not_disturb=())
    (candidate,) = store.candidates(team_id=TEAM_ID, now=clock())
    assert candidate.do_not_disturb_until is None


def test_unknown_fields_stay(status_sync: StatusSync, nils: User, db: Mongo) -> None:
    db.users.update_one({"_id": nils.id}, {"$set": {"badge": {"colour": "green"}}})
    before = stored(db, nils)
    status_sync.record_status(nils.id, on_holiday(None))
    assert before.items() <= stored(db, nils).items()


def test_nobody_is_kept_who_is_not_there(status_sync: StatusSync, db: Mongo) -> None:
    assert status_sync.record_status(ObjectId(), on_holiday(None)) is False
    assert db.users.find_one() is None


# Who is due


def due(status_sync: StatusSync, limit: int = 9) -> set[ObjectId]:
    return {user.id for user in status_sync.claim_due(limit=limit)}


def test_moderators_and_admins_are_due_in_turn(
    status_sync: StatusSync, people: People, nils: User, clock: FixedClock
) -> None:
    ada = people.add(Role.ADMIN)
    people.add()
    assert status_sync.has_due()
    assert due(status_sync) == {nils.id, ada.id}
    assert not status_sync.has_due()
    assert due(status_sync) == set()
    clock.advance(seconds=POLL_INTERVAL.total_seconds())
    assert due(status_sync, limit=1) | due(status_sync, limit=1) == {nils.id, ada.id}


def test_a_new_one_comes_first_and_then_who_waited_longest(
    status_sync: StatusSync, people: People, nils: User, clock: FixedClock
) -> None:
    due(status_sync)
    clock.advance(minutes=1)
    lara = people.add(Role.MODERATOR)
    due(status_sync)
    clock.advance(minutes=20)
    pia = people.add(Role.MODERATOR)
    assert [due(status_sync, limit=1) for _ in range(3)] == [{pia.id}, {nils.id}, {lara.id}]


def test_many_claim_at_once_and_each_is_one_ones(
    status_sync: StatusSync, people: People, nils: User
) -> None:
    everybody = {nils.id} | {people.add(Role.MODERATOR).id for _ in range(7)}
    found = at_once(*[lambda: due(status_sync)] * 4)
    assert sorted(user_id for one in found for user_id in one) == sorted(everybody)


def test_who_was_not_asked_about_is_put_back(
    status_sync: StatusSync, nils: User, clock: FixedClock
) -> None:
    due(status_sync)
    status_sync.release_claims([nils.id], due_at=clock())
    assert due(status_sync) == {nils.id}


# Slack's events


@pytest.mark.parametrize(
    ("member", "news"),
    [
        (HERE, False),
        (MemberStatus(SlackStatus("In a meeting"), "Europe/Berlin"), False),
        (MemberStatus(zone="Asia/Tokyo"), True),
        (on_holiday(None), True),
    ],
)
def test_only_what_changes_something_is_asked_about(
    status_sync: StatusSync, nils: User, member: MemberStatus, news: bool
) -> None:
    status_sync.record_status(nils.id, HERE)
    due(status_sync)
    slack_id = People.slack_id(nils)
    assert (
        status_sync.on_status_event(team_id=TEAM_ID, slack_user_id=slack_id, member=member) is news
    )
    assert due(status_sync) == ({nils.id} if news else set())


def test_the_end_of_an_absence_is_recorded_too(status_sync: StatusSync, nils: User) -> None:
    status_sync.record_status(nils.id, on_holiday(None))
    slack_id = People.slack_id(nils)
    assert not status_sync.on_status_event(
        team_id=TEAM_ID, slack_user_id=slack_id, member=on_holiday(None)
    )
    assert status_sync.on_status_event(team_id=TEAM_ID, slack_user_id=slack_id, member=HERE)


def test_others_notify_nobody(status_sync: StatusSync, people: People, db: Mongo) -> None:
    employee, gone = people.add(), people.add(Role.MODERATOR)
    db.links.update_one({"userId": gone.id}, {"$set": {"stopped": {"reason": "nobody"}}})
    for slack_id in (People.slack_id(employee), People.slack_id(gone), "U0NOBODY"):
        assert not status_sync.on_status_event(
            team_id=TEAM_ID, slack_user_id=slack_id, member=on_holiday(None)
        )


# Ended absences


def test_an_absence_ends_by_itself_and_retries_assignment(
    status_sync: StatusSync,
    nils: User,
    own: Any,
    db: Mongo,
    links: LinkService,
    people: People,
    tickets: TicketService,
    clock: FixedClock,
) -> None:
    own(is_away=True, away_until=clock() + timedelta(hours=2))
    unassigned = AssignmentService(db, links).queue_unassigned(
        file_ticket(tickets, people.add()), now=clock()
    )
    assert unassigned
    assert status_sync.end_absences() == 0
    clock.advance(hours=2)
    assert at_once(*[status_sync.end_absences] * 3).count(1) == 1
    assert "away" not in stored(db, nils)
    assert needs_assignment(reload(db, unassigned))


@pytest.mark.parametrize("how", ["slack", "self"])
def test_an_early_return_retries_unassigned_tickets(
    status_sync: StatusSync,
    nils: User,
    own: Any,
    db: Mongo,
    links: LinkService,
    people: People,
    tickets: TicketService,
    clock: FixedClock,
    how: str,
) -> None:
    status_sync.record_status(nils.id, on_holiday(None))
    unassigned = AssignmentService(db, links).queue_unassigned(
        file_ticket(tickets, people.add()), now=clock()
    )
    assert unassigned
    status_sync.record_status(nils.id, on_holiday(None))  # nothing new
    assert not needs_assignment(reload(db, unassigned))
    if how == "slack":
        status_sync.record_status(nils.id, HERE)
    else:
        own(is_away=False)
    assert needs_assignment(reload(db, unassigned))


@pytest.mark.parametrize("away", [None, "yes", {}, {"until": "soon"}, {"until": None}])
def test_what_makes_no_sense_is_no_absence(
    status_sync: StatusSync, nils: User, db: Mongo, away: Any
) -> None:
    db.users.update_one({"_id": nils.id}, {"$set": {"away": away}})
    status_sync.record_status(nils.id, HERE)
    assert status_sync.end_absences() == 0
    status_sync.record_status(nils.id, on_holiday(None))
    assert stored(db, nils)["away"] == {"until": NO_END, "source": "slack"}
