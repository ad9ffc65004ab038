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


def keep(
    db: Mongo, clock: FixedClock, model: LearnedModel, kind: ModelKind = ModelKind.SKILLS
) -> None:
    models = ModelStore(db, clock=clock)
    assert models.replace(kind, model, expected=models.stored_info(kind), now=clock())


def model_of(label: str) -> LearnedModel:
    return Trainer().train([Example("tunnel drops", (label,))])


def labels(models: ModelStore) -> tuple[str, ...]:
    model = models.skill_model()
    return model.labels if model else ()


def test_before_anything_was_learned_there_is_nothing(models: ModelStore) -> None:
    assert models.skill_model() is None
    assert models.resolver_scores("tunnel") == {}
    assert models.stored_info(ModelKind.SKILLS) == StoredModelInfo()


def test_what_is_stored_is_what_is_read(db: Mongo, clock: FixedClock, models: ModelStore) -> None:
    model = Trainer().train(examples(50))
    keep(db, clock, model)
    read = models.skill_model()
    assert read is not None
    assert read.rank("paper jam") == model.rank("paper jam")
    assert models.stored_info(ModelKind.SKILLS) == StoredModelInfo(True, 1, clock(), 50)


def test_people_are_told_by_their_ids(db: Mongo, clock: FixedClock, models: ModelStore) -> None:
    told = [Example("tunnel drops", (str(JO),)), Example("paper jams", (str(ObjectId()),))]
    keep(db, clock, Trainer().train(told), ModelKind.PEOPLE)
    assert models.resolver_scores("My tunnel drops").keys() == {JO}
    assert 0 < models.resolver_scores("My tunnel drops")[JO] < 1


def test_of_who_resolved_all_there_is_nothing_is_said(
    db: Mongo, clock: FixedClock, models: ModelStore
) -> None:
    keep(db, clock, model_of(str(JO)), ModelKind.PEOPLE)
    assert models.resolver_scores("My tunnel drops") == {}


def test_words_that_tell_nothing_are_nobodys(
    db: Mongo, clock: FixedClock, models: ModelStore
) -> None:
    al = ObjectId()
    told = [("the tunnel drops", JO), ("the paper jams", al)] * 20
    model = Trainer().train([Example(text, (str(who),)) for text, who in told])
    keep(db, clock, model, ModelKind.PEOPLE)
    assert models.resolver_scores("unheard of") == {}
    assert sum(models.resolver_scores("the").values()) < 0.1
    (who,) = models.resolver_scores("the tunnel drops")
    assert (who, models.resolver_scores("the tunnel drops")[who] > 0.8) == (JO, True)


def test_a_new_one_is_picked_up_within_ten_seconds(
    db: Mongo, clock: FixedClock, models: ModelStore
) -> None:
    keep(db, clock, model_of("VPN"))
    assert labels(models) == ("VPN",)
    keep(db, clock, model_of("DNS"))
    clock.advance(seconds=9)
    assert labels(models) == ("VPN",)
    clock.advance(seconds=1)
    assert labels(models) == ("DNS",)
    db.models.delete_many({})
    clock.advance(seconds=10)
    assert models.skill_model() is None


def test_looking_costs_one_small_query_in_ten_seconds(
    watched_db: Mongo, commands: Commands, db: Mongo, clock: FixedClock
) -> None:
    keep(db, clock, model_of("VPN"))
    models = ModelStore(watched_db, clock=clock)
    labels(models)
    commands.sent.clear()
    for _ in range(21):
        labels(models)
        models.resolver_scores("tunnel")
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
    models: ModelStore,
    caplog: pytest.LogCaptureFixture,
    damage: dict[str, Any],
    said: str,
) -> None:
    keep(db, clock, model_of("VPN"))
    db.models.update_one({"_id": "skills"}, {"$set": damage})
    for _ in range(3):
        assert models.skill_model() is None
        clock.advance(minutes=1)
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.message for record in errors] == [
        f"the learned model of skills cannot be read: {said}"
    ]
    keep(db, clock, model_of("DNS"))
    clock.advance(minutes=1)
    assert labels(models) == ("DNS",)


def test_a_document_of_something_else_is_replaced(db: Mongo, clock: FixedClock) -> None:
    db.models.insert_one({"_id": "skills", "at": "yesterday", "examples": "many"})
    models = ModelStore(db, clock=clock)
    assert models.skill_model() is None
    keep(db, clock, model_of("VPN"))
    clock.advance(minutes=1)
    assert labels(models) == ("VPN",)


def test_of_two_who_learned_at_once_one_is_kept(db: Mongo, clock: FixedClock) -> None:
    models = ModelStore(db, clock=clock)
    for version in (1, 2):
        seen = models.stored_info(ModelKind.SKILLS)
        calls = [
            lambda label=label, seen=seen: models.replace(
                ModelKind.SKILLS, model_of(label), expected=seen, now=clock()
            )
            for label in ("VPN", "DNS", "Wi-Fi")
        ]
        assert sorted(at_once(*calls)) == [False, False, True]
        assert models.stored_info(ModelKind.SKILLS).version == version


def test_with_the_database_away_it_goes_on_with_what_it_has(
    db: Mongo, clock: FixedClock, models: ModelStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(db, clock, model_of("VPN"))
    assert labels(models) == ("VPN",)

    def away() -> None:
        raise PyMongoError

    monkeypatch.setattr(models, "_refresh", away)
    clock.advance(minutes=1)
    assert labels(models) == ("VPN",)
