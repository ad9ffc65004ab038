"""Training. `make bench-router` measures the accuracy on real tickets."""

import random
from collections.abc import Callable, Sequence

import pytest

from services.routing.learned_model import Example, LearnedModel, to_doc
from services.routing.router import rank_skills
from services.routing.skill_matching import match_skills
from services.routing.trainer import Trainer
from tests.support.resolved_tickets import WORDS, examples

SKILLS = sorted(WORDS)


def named(text: str) -> tuple[str, ...]:
    return match_skills(text, SKILLS)


def right(model: LearnedModel | None, unseen: Sequence[Example]) -> int:
    """The share of right first answers."""
    return sum(
        rank_skills(example.text, SKILLS, model)[:1] == list(example.labels) for example in unseen
    )


def test_the_first_resolved_ticket_teaches() -> None:
    model = Trainer().train([Example("The tunnel to the office drops", ("VPN",))])
    ((label, share),) = model.rank("My tunnel drops again")
    assert (label, model.example_count) == ("VPN", 1)
    assert 0.2 < share < 0.6
    assert model.rank("Paper jam")[0][1] == 0


def test_a_second_one_tells_them_apart() -> None:
    model = Trainer().train([Example("tunnel drops", ("VPN",)), Example("paper jam", ("Printer",))])
    assert [model.rank(text)[0][0] for text in ("tunnel", "jam")] == ["VPN", "Printer"]


def test_a_ticket_may_take_several_skills() -> None:
    both = [Example("tunnel drops and paper jam", ("Printer", "VPN"))] * 3
    model = Trainer().train([*both, *examples(60)])
    shares = dict(model.rank("tunnel drops, paper jam"))
    assert min(shares["VPN"], shares["Printer"]) > 0.3
    assert Trainer().train(both).rank("tunnel")[0][0] == "Printer"


def test_it_finds_what_no_text_names() -> None:
    model = Trainer().train(examples(60))
    unseen = examples(100, seed=2)
    assert right(None, unseen) == 0
    assert right(model, unseen) > 90


def test_the_same_history_makes_the_same_model() -> None:
    assert to_doc(Trainer().train(examples(80))) == to_doc(Trainer().train(examples(80)))


@pytest.mark.parametrize(
    "history",
    [[], [Example("", ("VPN",))], [Example("🔥", ("VPN",))], [Example("tunnel", ())]],
)
def test_nothing_to_learn_is_an_empty_model(history: list[Example]) -> None:
    assert Trainer().train(history) == LearnedModel()
    assert Trainer().train_and_compare(history, named) == LearnedModel()


def test_hostile_texts_teach_without_harm() -> None:
    hostile = ["x" * 100_000, "a1 " * 50_000, "\0\0", "🔥 fire 🔥", "\u202egnp.exe"]
    model = Trainer().train([Example(text, ("VPN",)) for text in hostile] + examples(40))
    assert model.rank("paper jam")[0][0] == "Printer"


def misleading(count: int, *, seed: int) -> list[Example]:
    """Tickets about the network drive that all mention VPN."""
    return [Example(f"{e.text} vpn", e.labels) for e in examples(count, seed=seed)]


def telling(count: int, *, seed: int) -> list[Example]:
    """Each names its skill; the other words are uninformative."""
    chance = random.Random(seed)  # noqa: S311  no secret
    wrong = examples(count, seed=seed)
    skills = [chance.choice(SKILLS) for _ in wrong]
    return [Example(f"{s} {e.text}", (s,)) for s, e in zip(skills, wrong, strict=True)]


def test_a_young_model_never_overrules_a_name() -> None:
    model = Trainer().train_and_compare(misleading(60, seed=1), named)
    assert not model.is_preferred
    assert rank_skills("vpn paper jam", SKILLS, model)[:2] == ["VPN", "Printer"]


def test_one_that_has_shown_to_know_better_leads() -> None:
    model = Trainer().train_and_compare(misleading(200, seed=1), named)
    assert model.is_preferred
    unseen = misleading(100, seed=2)
    assert right(model, unseen) > 90 > 40 > right(None, unseen)


@pytest.mark.parametrize("make", [misleading, telling])
@pytest.mark.parametrize("count", [1, 10, 60, 130, 300])
def test_it_is_never_worse_than_the_names_alone(
    make: Callable[..., list[Example]], count: int
) -> None:
    model = Trainer().train_and_compare(make(count, seed=3), named)
    unseen = make(200, seed=4)
    assert right(model, unseen) >= right(None, unseen)
