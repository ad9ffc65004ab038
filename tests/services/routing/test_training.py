"""Which tickets the models are trained on, and when."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.models.user import Role, User
from services.routing.learned_model import from_doc
from services.routing.model_store import ModelKind, ModelStore
from services.routing.training import Training
from tests.conftest import FixedClock, People, at_once
from tests.support.resolved_tickets import examples

Resolve = Callable[..., ObjectId]


@pytest.fixture
def expert(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN", "DNS", linked=False)


@pytest.fixture
def resolve(db: Mongo, clock: FixedClock, expert: User) -> Resolve:
    def make(title: str = "The tunnel drops", *skills: str, **fields: Any) -> ObjectId:
        ticket = {
            "title": title,
            "description": "Again and again.",
            "status": "COMPLETED",
            "resolution": "resolved",
            "assignedTo": expert.id,
            "relatedSkills": list(skills),
            "completedAt": clock(),
            **fields,
        }
        made: ObjectId = db.tickets.insert_one(ticket).inserted_id
        return made

    return make


def taught(db: Mongo, clock: FixedClock) -> tuple[dict[str, float], dict[ObjectId, float]]:
    """The shares of skills and users for a ticket about a tunnel."""
    model = ModelStore(db, clock=clock).skill_model()
    stored = db.models.find_one({"_id": ModelKind.PEOPLE.value})
    who = from_doc(stored).rank("tunnel") if stored else []
    skills = dict(model.rank("tunnel") if model else [])
    return skills, {ObjectId(label): share for label, share in who}


def test_the_first_resolved_ticket_teaches_skill_and_person(
    db: Mongo, clock: FixedClock, training: Training, resolve: Resolve, expert: User
) -> None:
    assert not training.run_if_due()
    resolve("The tunnel drops", "vpn")
    assert training.run_if_due()
    skills, who = taught(db, clock)
    assert skills.keys() == {"VPN"}
    assert who.keys() == {expert.id}


@pytest.mark.parametrize(
    ("fields", "skills", "is_theirs"),
    [
        ({"relatedSkills": ["VPN", "Cooking"]}, {"VPN"}, True),
        ({"relatedSkills": ["Printer"]}, set(), True),  # the resolver does not have the skill
        (
            {
                "relatedSkills": ["Printer"],
                "events": [{"type": "edited", "field": "relatedSkills"}],
            },
            {"Printer"},
            True,
        ),
        ({"relatedSkills": ["Printer"], "events": [{"type": "edited"}, 1]}, set(), True),
        ({"resolution": "cancelled"}, set(), False),
        ({"resolution": "not_a_request"}, set(), False),
        ({"status": "IN_PROGRESS"}, set(), False),
        ({"assignedTo": ObjectId()}, set(), False),
        ({"assignedTo": None, "relatedSkills": None}, set(), False),
        ({"resolution": None, "completedAt": None}, {"VPN"}, True),  # the legacy backend's
        ({"title": None, "description": "tunnel", "relatedSkills": "vpn"}, {"VPN"}, True),
    ],
)
def test_what_a_ticket_teaches(
    db: Mongo,
    clock: FixedClock,
    training: Training,
    resolve: Resolve,
    people: People,
    expert: User,
    fields: dict[str, Any],
    skills: set[str],
    is_theirs: bool,
) -> None:
    people.add(Role.MODERATOR, "Printer", linked=False)
    resolve(**{"relatedSkills": ["VPN"], **fields})
    training.run_if_due()
    found, who = taught(db, clock)
    assert found.keys() == skills
    assert who.keys() == ({expert.id} if is_theirs else set())


def test_who_left_is_forgotten_within_a_day(
    db: Mongo, clock: FixedClock, training: Training, resolve: Resolve, expert: User
) -> None:
    resolve("The tunnel drops", "VPN")
    training.run_if_due()
    db.users.update_one({"_id": expert.id}, {"$set": {"active": False}})
    assert not training.run_if_due()
    clock.advance(days=1)
    assert training.run_if_due()
    assert taught(db, clock) == ({}, {})


def test_it_learns_again_at_once_while_it_is_young_and_later_from_each_twentieth_more(
    clock: FixedClock, training: Training, resolve: Resolve
) -> None:
    resolve("The tunnel drops", "VPN")
    assert [training.run_if_due(), training.run_if_due()] == [True, False]
    clock.advance(minutes=1)
    for example in examples(60):
        resolve(example.text, "VPN")
    assert training.run_if_due()
    clock.advance(minutes=1)
    ran = []
    for _ in range(3):
        resolve("The tunnel drops", "VPN")
        ran.append(training.run_if_due())
    assert ran == [False, False, True]


def test_tickets_that_teach_nothing_are_not_read_again_and_again(
    clock: FixedClock, training: Training, resolve: Resolve
) -> None:
    resolve(resolution="cancelled")
    assert [training.run_if_due(), training.run_if_due()] == [True, False]


def test_the_newest_count(
    db: Mongo,
    clock: FixedClock,
    training: Training,
    resolve: Resolve,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.routing.training.MAX_TICKETS", 2)
    for skill in ("DNS", "VPN", "VPN"):
        clock.advance(minutes=1)
        resolve("The tunnel drops", skill)
    training.run_if_due()
    assert taught(db, clock)[0].keys() == {"VPN"}


def test_secrets_are_not_learned(
    db: Mongo, clock: FixedClock, training: Training, resolve: Resolve
) -> None:
    resolve("My password is: Tr0ub4dor", "VPN")
    training.run_if_due()
    model = ModelStore(db, clock=clock).skill_model()
    assert model is not None
    assert model.rank("tr0ub4dor")[0][1] == 0
    assert model.rank("password")[0][1] > 0


def test_of_processes_that_learn_at_once_one_makes_each_version(
    db: Mongo, clock: FixedClock, resolve: Resolve, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that reads between another's two writes may retrain both, but as a new version."""
    caplog.set_level(logging.INFO)
    resolve("The tunnel drops", "VPN")
    assert at_once(*[Training(db, clock=clock).run_if_due for _ in range(4)]).count(True) >= 1
    said = [r.message for r in caplog.records if r.name == "services.routing.training"]
    store = ModelStore(db, clock=clock)
    for kind in ModelKind:
        made = said.count(f"trained the model of {kind.value} on 1 tickets")
        assert store.stored_info(kind).version == made >= 1
    assert not Training(db, clock=clock).run_if_due()
