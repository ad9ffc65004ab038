"""What is learned. How well it does on real tickets, `make bench-router` says."""

import random
from collections.abc import Callable, Sequence

import pytest

from services.routing.learned_model import Example, Model, to_doc
from services.routing.router import ranked_skills, skills_named
from services.routing.trainer import Learner
from tests.support.resolved_tickets import WORDS, examples

SKILLS = sorted(WORDS)


def named(text: str) -> tuple[str, ...]:
    return skills_named(text, SKILLS)


def right(model: Model | None, unseen: Sequence[Example]) -> int:
    """How often the first answer is right."""
    return sum(
        ranked_skills(example.text, SKILLS, model)[:1] == list(example.labels) for example in unseen
    )


def test_the_first_resolved_ticket_teaches() -> None:
    model = Learner().learn([Example("The tunnel to the office drops", ("VPN",))])
    ((label, share),) = model.rank("My tunnel drops again")
    assert (label, model.examples) == ("VPN", 1)
    assert 0.2 < share < 0.6
    assert model.rank("Paper jam")[0][1] == 0


def test_a_second_one_tells_them_apart() -> None:
    model = Learner().learn([Example("tunnel drops", ("VPN",)), Example("paper jam", ("Printer",))])
    assert [model.rank(text)[0][0] for text in ("tunnel", "jam")] == ["VPN", "Printer"]


def test_a_ticket_may_take_several_skills() -> None:
    both = [Example("tunnel drops and paper jam", ("Printer", "VPN"))] * 3
    model = Learner().learn([*both, *examples(60)])
    shares = dict(model.rank("tunnel drops, paper jam"))
    assert min(shares["VPN"], shares["Printer"]) > 0.3
    assert Learner().learn(both).rank("tunnel")[0][0] == "Printer"


def test_it_finds_what_no_text_names() -> None:
    model = Learner().learn(examples(60))
    unseen = examples(100, seed=2)
    assert right(None, unseen) == 0
    assert right(model, unseen) > 90


def test_the_same_history_makes_the_same_model() -> None:
    assert to_doc(Learner().learn(examples(80))) == to_doc(Learner().learn(examples(80)))


@pytest.mark.parametrize(
    "history",
    [[], [Example("", ("VPN",))], [Example("🔥", ("VPN",))], [Example("tunnel", ())]],
)
def test_nothing_to_learn_is_an_empty_model(history: list[Example]) -> None:
    assert Learner().learn(history) == Model()
    assert Learner().learn_beside(history, named) == Model()


def test_hostile_texts_teach_without_harm() -> None:
    hostile = ["x" * 100_000, "a1 " * 50_000, "\0\0", "🔥 fire 🔥", "\u202egnp.exe"]
    model = Learner().learn([Example(text, ("VPN",)) for text in hostile] + examples(40))
    assert model.rank("paper jam")[0][0] == "Printer"


def misleading(count: int, *, seed: int) -> list[Example]:
    """Where people write VPN of everything that has to do with the network drive."""
    return [Example(f"{e.text} vpn", e.labels) for e in examples(count, seed=seed)]


def telling(count: int, *, seed: int) -> list[Example]:
    """Each names its skill, and the other words tell nothing."""
    chance = random.Random(seed)  # noqa: S311  no secret
    wrong = examples(count, seed=seed)
    skills = [chance.choice(SKILLS) for _ in wrong]
    return [Example(f"{s} {e.text}", (s,)) for s, e in zip(skills, wrong, strict=True)]


def test_a_young_model_never_overrules_a_name() -> None:
    model = Learner().learn_beside(misleading(60, seed=1), named)
    assert not model.leads
    assert ranked_skills("vpn paper jam", SKILLS, model)[:2] == ["VPN", "Printer"]


def test_one_that_has_shown_to_know_better_leads() -> None:
    model = Learner().learn_beside(misleading(200, seed=1), named)
    assert model.leads
    unseen = misleading(100, seed=2)
    assert right(model, unseen) > 90 > 40 > right(None, unseen)


@pytest.mark.parametrize("make", [misleading, telling])
@pytest.mark.parametrize("count", [1, 10, 60, 130, 300])
def test_it_is_never_worse_than_the_names_alone(
    make: Callable[..., list[Example]], count: int
) -> None:
    model = Learner().learn_beside(make(count, seed=3), named)
    unseen = make(200, seed=4)
    assert right(model, unseen) >= right(None, unseen)
