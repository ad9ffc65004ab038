from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.assignment.candidate import Candidate, Obstacle, find_obstacle, ticket_load
from services.models.ticket import Priority, Status
from services.models.user import Role

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
WHO = Candidate(ObjectId("65f0c0ffee65f0c0ffee0001"), Role.MODERATOR, ("VPN",), 2, 8)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, None),
        ({"open_tickets": 7, "load": 14.0}, None),  # room is a matter of count
        ({"open_tickets": 8}, Obstacle.FULL),
        ({"open_tickets": 8, "load": 0.5}, Obstacle.FULL),
        ({"capacity": 0}, Obstacle.FULL),
        ({"away_until": NOW}, None),
        ({"away_until": NOW + timedelta(milliseconds=1)}, Obstacle.AWAY),
        ({"linked": False}, Obstacle.UNLINKED),
        ({"active": False}, Obstacle.INACTIVE),
        ({"active": False, "linked": False, "open_tickets": 9}, Obstacle.INACTIVE),
    ],
)
def test_what_stands_in_the_way(change: dict[str, Any], found: Obstacle | None) -> None:
    assert find_obstacle(replace(WHO, **change), requester=None, now=NOW) is found


def test_the_requester_and_who_declined_it() -> None:
    assert find_obstacle(WHO, requester=WHO.user_id, now=NOW) is Obstacle.REQUESTER
    declined = {WHO.user_id}
    assert find_obstacle(WHO, requester=None, now=NOW, declined=declined) is Obstacle.DECLINED


@pytest.mark.parametrize(
    ("priority", "status", "weight"),
    [
        (Priority.URGENT, Status.IN_PROGRESS, 2),
        (Priority.HIGH, Status.REOPENED, 1.5),
        (Priority.MEDIUM, Status.TODO, 1),
        (None, Status.IN_PROGRESS, 1),
        (Priority.LOW, Status.IN_PROGRESS, 0.5),
        (Priority.URGENT, Status.WAITING, 1),
        (Priority.LOW, Status.WAITING, 0.25),
    ],
)
def test_what_a_ticket_weighs(priority: Priority | None, status: Status, weight: float) -> None:
    assert ticket_load(priority, status) == weight


def test_where_the_weight_is_not_known_each_ticket_counts_one() -> None:
    assert WHO.effective_load == 2
    assert replace(WHO, load=0.5).effective_load == 0.5
    assert replace(WHO, load=0.0).effective_load == 0
