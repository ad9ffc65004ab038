import logging
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import PyMongoError

from services.core.database import Mongo
from services.routing.learned_model import Example, LearnedModel
from services.routing.model_store import ModelKind, ModelStore, StoredModelInfo
from services.routing.trainer import Trainer
from tests.conftest import Commands, FixedClock, at_once
from tests.support.resolved_tickets import examples

JO = ObjectId()


@pytest.fixture
def store(db: Mongo, clock: FixedClock) -> ModelStore:
    return ModelStore(db, clock=clock)


def keep(
    db: Mongo, clock: FixedClock, model: LearnedModel, kind: ModelKind = ModelKind.SKILLS
) -> None:
    store = ModelStore(db, clock=clock)
    assert store.replace(kind, model, expected=store.stored_info(kind), now=clock())


def model_of(label: str) -> LearnedModel:
    return Trainer().train([Example("tunnel drops", (label,))])


def labels(store: ModelStore) -> tuple[str, ...]:
    model = store.skill_model()
    return model.labels if model else ()


def test_before_anything_was_learned_there_is_nothing(store: ModelStore) -> None:
    assert store.skill_model() is None
    assert store.resolver_scores("tunnel") == {}
    assert store.stored_info(ModelKind.SKILLS) == StoredModelInfo()


def test_what_is_stored_is_what_is_read(db: Mongo, clock: FixedClock, store: ModelStore) -> None:
    model = Trainer().train(examples(50))
    keep(db, clock, model)
    read = store.skill_model()
    assert read is not None
    assert read.rank("paper jam") == model.rank("paper jam")
    assert store.stored_info(ModelKind.SKILLS) == StoredModelInfo(True, 1, clock(), 50)


def test_people_are_told_by_their_ids(db: Mongo, clock: FixedClock, store: ModelStore) -> None:
    told = [Example("tunnel drops", (str(JO),)), Example("paper jams", (str(ObjectId()),))]
    keep(db, clock, Trainer().train(told), ModelKind.PEOPLE)
    assert store.resolver_scores("My tunnel drops").keys() == {JO}
    assert 0 < store.resolver_scores("My tunnel drops")[JO] < 1


def test_of_who_resolved_all_there_is_nothing_is_said(
    db: Mongo, clock: FixedClock, store: ModelStore
) -> None:
    keep(db, clock, model_of(str(JO)), ModelKind.PEOPLE)
    assert store.resolver_scores("My tunnel drops") == {}


def test_words_that_tell_nothing_are_nobodys(
    db: Mongo, clock: FixedClock, store: ModelStore
) -> None:
    al = ObjectId()
    told = [("the tunnel drops", JO), ("the paper jams", al)] * 20
    model = Trainer().train([Example(text, (str(who),)) for text, who in told])
    keep(db, clock, model, ModelKind.PEOPLE)
    assert store.resolver_scores("unheard of") == {}
    assert sum(store.resolver_scores("the").values()) < 0.1
    (who,) = store.resolver_scores("the tunnel drops")
    assert (who, store.resolver_scores("the tunnel drops")[who] > 0.8) == (JO, True)


def test_a_new_one_is_picked_up_within_ten_seconds(
    db: Mongo, clock: FixedClock, store: ModelStore
) -> None:
    keep(db, clock, model_of("VPN"))
    assert labels(store) == ("VPN",)
    keep(db, clock, model_of("DNS"))
    clock.advance(seconds=9)
    assert labels(store) == ("VPN",)
    clock.advance(seconds=1)
    assert labels(store) == ("DNS",)
    db.models.delete_many({})
    clock.advance(seconds=10)
    assert store.skill_model() is None


def test_looking_costs_one_small_query_in_ten_seconds(
    watched_db: Mongo, commands: Commands, db: Mongo, clock: FixedClock
) -> None:
    keep(db, clock, model_of("VPN"))
    store = ModelStore(watched_db, clock=clock)
    labels(store)
    commands.sent.clear()
    for _ in range(21):
        labels(store)
        store.resolver_scores("tunnel")
        clock.advance(seconds=1)
    assert [name for name, _ in commands.sent] == ["find"] * 2
    assert all(command["projection"] == {"version": True} for _, command in commands.sent)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ({"coefficients": b"damaged"}, "checksum"),
        ({"format": 99}, "format 99"),
        ({"labels": 12}, "checksum"),
        ({"words": None}, "TypeError"),
    ],
)
def test_a_damaged_one_is_said_once_and_does_without(
    db: Mongo,
    clock: FixedClock,
    store: ModelStore,
    caplog: pytest.LogCaptureFixture,
    damage: dict[str, Any],
    said: str,
) -> None:
    keep(db, clock, model_of("VPN"))
    db.models.update_one({"_id": "skills"}, {"$set": damage})
    for _ in range(3):
        assert store.skill_model() is None
        clock.advance(minutes=1)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.message for record in errors] == [
        f"the learned model of skills cannot be read: {said}"
    ]
    keep(db, clock, model_of("DNS"))
    clock.advance(minutes=1)
    assert labels(store) == ("DNS",)


def test_a_document_of_something_else_is_replaced(db: Mongo, clock: FixedClock) -> None:
    db.models.insert_one({"_id": "skills", "at": "yesterday", "examples": "many"})
    store = ModelStore(db, clock=clock)
    assert store.skill_model() is None
    keep(db, clock, model_of("VPN"))
    clock.advance(minutes=1)
    assert labels(store) == ("VPN",)


def test_of_two_who_learned_at_once_one_is_kept(db: Mongo, clock: FixedClock) -> None:
    store = ModelStore(db, clock=clock)
    for version in (1, 2):
        seen = store.stored_info(ModelKind.SKILLS)
        calls = [
            lambda label=label, seen=seen: store.replace(
                ModelKind.SKILLS, model_of(label), expected=seen, now=clock()
            )
            for label in ("VPN", "DNS", "Wi-Fi")
        ]
        assert sorted(at_once(*calls)) == [False, False, True]
        assert store.stored_info(ModelKind.SKILLS).version == version


def test_with_the_database_away_it_goes_on_with_what_it_has(
    db: Mongo, clock: FixedClock, store: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(db, clock, model_of("VPN"))
    assert labels(store) == ("VPN",)

    def away() -> None:
        raise PyMongoError

    monkeypatch.setattr(store, "_refresh", away)
    clock.advance(minutes=1)
    assert labels(store) == ("VPN",)
