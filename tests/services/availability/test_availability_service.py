"""Work hours and absences, as users and admins set them."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.accounts.users import UNKNOWN_ACCOUNT
from services.availability.absence import AbsenceSource
from services.availability.availability_service import (
    Availability,
    AvailabilityChange,
    AvailabilityService,
    WorkHours,
)
from services.core.database import Mongo
from services.core.errors import DomainError, InvalidValue, NotFound, PermissionDenied
from services.models.permissions import OPERATOR, Actor
from services.models.user import Role, User
from services.team_settings.settings_service import BusinessHoursStore
from services.tickets.filing import TicketService
from tests.conftest import FixedClock, People, file_ticket

WORKWEEK = frozenset(range(5))


@pytest.fixture
def nils(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN")


@pytest.fixture
def ada(people: People) -> User:
    return people.add(Role.ADMIN)


def stored(db: Mongo, user: User) -> dict[str, Any]:
    return db.users.find_one({"_id": user.id}) or {}


def get_availability(availability: AvailabilityService, user: User) -> Availability:
    return availability.get(actor=Actor.from_user(user))


def test_at_first_the_teams_hours_count(
    availability: AvailabilityService, nils: User, db: Mongo, people: People, tickets: TicketService
) -> None:
    ticket = file_ticket(tickets, people.add())
    busy = {"assignedTo": nils.id, "status": "IN_PROGRESS"}
    db.tickets.update_one({"_id": ticket.id}, {"$set": busy})
    BusinessHoursStore(db).write(
        actor=OPERATOR,
        zone="Europe/Berlin",
        days=frozenset({0, 1}),
        start="08:00",
        end="16:30",
        country="DE",
    )
    held = get_availability(availability, nils)
    assert (held.absence, held.hours, held.has_own_hours) == (
        None, WorkHours(frozenset({0, 1}), "08:00", "16:30"), False
    )  # fmt: skip
    assert (held.country, held.zone, held.own_zone, held.open_ticket_count) == (
        "", "Europe/Berlin", "", 1
    )  # fmt: skip


def test_each_part_is_ones_own(
    availability: AvailabilityService, nils: User, db: Mongo, clock: FixedClock
) -> None:
    until = clock() + timedelta(hours=3)
    before = stored(db, nils)
    wanted = AvailabilityChange(
        is_away=True,
        away_until=until,
        days=frozenset({6, 0}),
        start="22:00",
        end="06:00",
        country="at",
        zone="Asia/Tokyo",
    )
    assert availability.update(actor=Actor.from_user(nils), change=wanted).away_until == until
    assert stored(db, nils) == before | {
        "away": {"until": until, "source": "self"},
        "workHours": {"days": [0, 6], "start": "22:00", "end": "06:00"},
        "country": "AT",
        "timezone": "Asia/Tokyo",
        "zoneSource": "self",
    }
    held = get_availability(availability, nils)
    assert (held.country, held.zone, held.own_zone) == ("AT", "Asia/Tokyo", "Asia/Tokyo")
    assert held.hours == WorkHours(frozenset({0, 6}), "22:00", "06:00")
    assert held.absence
    assert (held.absence.until, held.absence.source) == (until, AbsenceSource.SELF)


def test_what_was_not_touched_stays(
    availability: AvailabilityService, nils: User, db: Mongo, clock: FixedClock
) -> None:
    availability.update(actor=Actor.from_user(nils), change=AvailabilityChange(start="07:00"))
    assert stored(db, nils)["workHours"] == {
        "days": [0, 1, 2, 3, 4], "start": "07:00", "end": "17:00"
    }  # fmt: skip
    before = stored(db, nils)
    assert (
        availability.update(actor=Actor.from_user(nils), change=AvailabilityChange()).id == nils.id
    )
    assert stored(db, nils) == before
    availability.update(actor=Actor.from_user(nils), change=AvailabilityChange(end="15:00"))
    assert stored(db, nils)["workHours"]["start"] == "07:00"


def test_whoever_chooses_the_teams_hours_follows_them(
    availability: AvailabilityService, nils: User, db: Mongo
) -> None:
    hours: dict[str, Any] = {"zone": "UTC", "days": WORKWEEK, "start": "09:00", "end": "17:00"}
    availability.update(actor=Actor.from_user(nils), change=AvailabilityChange(start="07:00"))
    availability.update(actor=Actor.from_user(nils), change=AvailabilityChange(start="09:00"))
    assert "workHours" in stored(db, nils)  # nobody has said what the team's are
    BusinessHoursStore(db).write(actor=OPERATOR, **hours)
    availability.update(actor=Actor.from_user(nils), change=AvailabilityChange(days=WORKWEEK))
    assert "workHours" not in stored(db, nils)
    assert not get_availability(availability, nils).has_own_hours


def test_country_and_zone_are_given_back(
    availability: AvailabilityService, nils: User, db: Mongo
) -> None:
    availability.update(
        actor=Actor.from_user(nils), change=AvailabilityChange(country="DE", zone="Asia/Tokyo")
    )
    availability.update(
        actor=Actor.from_user(nils), change=AvailabilityChange(country="", zone=" ")
    )
    assert {"country", "zoneSource"} & stored(db, nils).keys() == set()
    assert get_availability(availability, nils).own_zone == ""


@pytest.mark.parametrize(
    ("wanted", "field", "sentence"),
    [
        ({"is_away": True}, "awayUntil", "Choose the day and time of the return."),
        ({"days": frozenset()}, "days", "Choose at least one day of the week."),
        ({"days": frozenset({7})}, "days", "Choose at least one day of the week."),
        ({"start": "9"}, "start", "Write a time such as 09:00."),
        ({"end": "24:00"}, "end", "Write a time such as 09:00."),
        (
            {"country": "XX"},
            "country",
            "Write a country's two letters such as DE, or leave it empty.",
        ),
        ({"zone": "Atlantis"}, "zone", "Choose a time zone such as Europe/Berlin."),
        ({"zone": "../../etc/passwd"}, "zone", "Choose a time zone such as Europe/Berlin."),
    ],
)
def test_what_is_not_acceptable_is_said_at_its_field(
    availability: AvailabilityService,
    nils: User,
    db: Mongo,
    wanted: dict[str, Any],
    field: str,
    sentence: str,
) -> None:
    before = stored(db, nils)
    with pytest.raises(InvalidValue) as refused:
        availability.update(actor=Actor.from_user(nils), change=AvailabilityChange(**wanted))
    assert (refused.value.field, str(refused.value)) == (field, sentence)
    assert stored(db, nils) == before


@pytest.mark.parametrize(
    ("ahead", "sentence"),
    [
        (timedelta(0), "That is in the past. Choose a later time."),
        (-timedelta(days=1), "That is in the past. Choose a later time."),
        (timedelta(days=366, minutes=1), "Choose a time within a year."),
    ],
)
def test_a_return_that_cannot_be(
    availability: AvailabilityService,
    nils: User,
    clock: FixedClock,
    ahead: timedelta,
    sentence: str,
) -> None:
    with pytest.raises(InvalidValue) as refused:
        availability.update(
            actor=Actor.from_user(nils), change=AvailabilityChange(away_until=clock() + ahead)
        )
    assert (refused.value.field, str(refused.value)) == ("awayUntil", sentence)


def test_an_admin_says_it_for_others(
    availability: AvailabilityService, nils: User, ada: User, db: Mongo, clock: FixedClock
) -> None:
    until: datetime = clock() + timedelta(days=3)
    wanted = AvailabilityChange(is_away=True, away_until=until, start="10:00")
    availability.update(actor=Actor.from_user(ada), user_id=str(nils.id), change=wanted)
    assert stored(db, nils)["away"] == {"until": until, "source": "admin"}
    assert stored(db, nils)["handOver"]["to"] == ada.id
    held = availability.get(actor=Actor.from_user(ada), user_id=str(nils.id))
    assert (held.user.id, held.hours.start) == (nils.id, "10:00")
    own = AvailabilityChange(is_away=True, away_until=until)
    availability.update(actor=Actor.from_user(ada), user_id=str(ada.id), change=own)
    assert stored(db, ada)["away"]["source"] == "self"


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_nobody_else_does(
    availability: AvailabilityService, nils: User, people: People, db: Mongo, role: Role
) -> None:
    other = people.add(role)
    before = stored(db, nils)
    for use in (
        lambda: availability.get(actor=Actor.from_user(other), user_id=str(nils.id)),
        lambda: availability.update(
            actor=Actor.from_user(other),
            user_id=str(nils.id),
            change=AvailabilityChange(is_away=False),
        ),
    ):
        with pytest.raises(PermissionDenied):
            use()
    assert stored(db, nils) == before


@pytest.mark.parametrize("user_id", ["nonsense", str(ObjectId(b"nobody has 1")), ""])
def test_an_unknown_account_is_not_found(
    availability: AvailabilityService, ada: User, user_id: str
) -> None:
    with pytest.raises(DomainError) as refused:
        availability.get(actor=Actor.from_user(ada), user_id=user_id)
    assert (type(refused.value), str(refused.value)) == (NotFound, UNKNOWN_ACCOUNT)
