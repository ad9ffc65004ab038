from typing import Any

import pytest
from bson import ObjectId

from services.availability.slack_status import StatusRules
from services.availability.status_rules import StatusRulesStore
from services.core.database import Mongo
from services.core.errors import InvalidValue, PermissionDenied
from services.models.permissions import OPERATOR, Actor
from services.models.user import Role
from tests.conftest import FixedClock


def test_nothing_is_set_at_first(status_rules: StatusRulesStore) -> None:
    assert status_rules.read() == StatusRules()


def test_an_admin_says_what_counts(
    status_rules: StatusRulesStore, db: Mongo, clock: FixedClock
) -> None:
    admin = Actor(ObjectId(), Role.ADMIN)
    kept = status_rules.write(
        actor=admin, away=[" Kur ", "Kur", ":sailboat:", ""], available=["holiday"]
    )
    assert (
        kept
        == status_rules.read()
        == StatusRules(away=("Kur", ":sailboat:"), available=("holiday",))
    )
    assert db.settings.find_one({"_id": "presence"}) == {
        "_id": "presence",
        "away": ["Kur", ":sailboat:"],
        "here": ["holiday"],
        "at": clock(),
        "by": admin.user_id,
    }


@pytest.mark.parametrize(
    ("away", "sentence"),
    [
        ([f"{n:058}" for n in range(51)], "Write less: together at most 3,000 characters."),
        ([f"😀{n:058}" for n in range(49)], "Write less: together at most 3,000 characters."),
        (["x" * 61], "A phrase has at most 60 characters."),
    ],
)
def test_what_is_too_much_is_said_at_its_field(
    status_rules: StatusRulesStore, away: list[str], sentence: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        status_rules.write(actor=OPERATOR, away=away, available=[])
    assert (refused.value.field, str(refused.value)) == ("away", sentence)


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_only_admins_say_so(status_rules: StatusRulesStore, db: Mongo, role: Role) -> None:
    with pytest.raises(PermissionDenied):
        status_rules.write(actor=Actor(ObjectId(), role), away=["Kur"], available=[])
    assert db.settings.find_one() is None


@pytest.mark.parametrize("stored", [{}, {"away": "Kur"}, {"away": [5, None, {}], "here": 7}])
def test_what_makes_no_sense_is_left_out(
    status_rules: StatusRulesStore, db: Mongo, stored: dict[str, Any]
) -> None:
    db.settings.insert_one({"_id": "presence", **stored})
    assert status_rules.read() == StatusRules()
