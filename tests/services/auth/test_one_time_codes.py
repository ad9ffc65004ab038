import re
from datetime import timedelta

import pytest
from bson import ObjectId

from services.auth.one_time_codes import ALPHABET, CodeKind, OneTimeCodes
from services.core.database import Mongo
from tests.conftest import JWT_SECRET, FixedClock, at_once

OWNER = ObjectId("65f0c0ffee65f0c0ffee0001")


def issue(codes: OneTimeCodes, kind: CodeKind = CodeKind.LINK) -> str:
    return codes.issue(kind=kind, user_id=OWNER)


def test_what_a_code_to_type_looks_like(codes: OneTimeCodes) -> None:
    made = {issue(codes) for _ in range(20)}
    assert len(made) == 20
    assert all(re.fullmatch(f"[{ALPHABET}]{{5}}-[{ALPHABET}]{{5}}", code) for code in made)
    assert len(ALPHABET) ** 10 >= 2**40


def test_what_a_code_to_follow_looks_like(codes: OneTimeCodes) -> None:
    assert re.fullmatch(r"[\w-]{43}", issue(codes, CodeKind.RESET), re.ASCII)  # 32 bytes


@pytest.mark.parametrize("kind", list(CodeKind))
def test_it_works_once(codes: OneTimeCodes, kind: CodeKind) -> None:
    code = issue(codes, kind)
    assert codes.peek(kind=kind, code=code) == codes.peek(kind=kind, code=code) == OWNER
    assert codes.redeem(kind=kind, code=code) == OWNER
    assert codes.peek(kind=kind, code=code) is codes.redeem(kind=kind, code=code) is None


@pytest.mark.parametrize(
    ("kind", "lifetime"),
    [(CodeKind.LINK, timedelta(minutes=10)), (CodeKind.RESET, timedelta(hours=1))],
)
def test_it_ends_by_itself(
    codes: OneTimeCodes, clock: FixedClock, kind: CodeKind, lifetime: timedelta
) -> None:
    code = issue(codes, kind)
    clock.now += lifetime - timedelta(milliseconds=1)
    assert codes.peek(kind=kind, code=code) == OWNER
    clock.advance(milliseconds=1)
    assert codes.peek(kind=kind, code=code) is codes.redeem(kind=kind, code=code) is None


def test_one_kind_is_not_the_other(codes: OneTimeCodes) -> None:
    link, reset = issue(codes), issue(codes, CodeKind.RESET)
    assert codes.redeem(kind=CodeKind.RESET, code=link) is None
    assert codes.redeem(kind=CodeKind.LINK, code=reset) is None


@pytest.mark.parametrize(
    "typed",
    [
        "0A1B2-C3D4E",
        "0a1b2-c3d4e",
        " 0A1B2 C3D4E ",
        "0a1b2c3d4e",
        "oA1b2-c3D4e",
        "OAIB2–C3D4E",
        "0alb2\u00a0c3d4e",
        "０Ａ１Ｂ２－Ｃ３Ｄ４Ｅ",
        "0A1B2\u200b-\nC3D4E",
    ],
)
def test_it_forgives_how_it_is_typed(codes: OneTimeCodes, typed: str) -> None:
    def name(code: str) -> str:
        return codes.code_id(kind=CodeKind.LINK, code=code)

    assert name(typed) == name("0A1B2-C3D4E")


@pytest.mark.parametrize("typed", ["", "-", "0A1B2-C3D4F", "0A1B2-C3D4E9", "$ne", "ß" * 9_000])
def test_what_is_none(codes: OneTimeCodes, typed: str) -> None:
    issue(codes)
    for kind in CodeKind:
        assert codes.peek(kind=kind, code=typed) is codes.redeem(kind=kind, code=typed) is None


def test_half_an_emoji_is_no_fault(codes: OneTimeCodes) -> None:
    for kind in CodeKind:
        assert codes.redeem(kind=kind, code="\ud83d") is None


def test_a_new_code_to_type_ends_the_former_one(codes: OneTimeCodes) -> None:
    first, second = issue(codes), issue(codes)
    assert codes.peek(kind=CodeKind.LINK, code=first) is None
    assert codes.peek(kind=CodeKind.LINK, code=second) == OWNER


def test_of_pages_opened_together_one_shows_the_code_that_counts(
    codes: OneTimeCodes, db: Mongo
) -> None:
    made = at_once(*[lambda: issue(codes)] * 8)
    assert [codes.peek(kind=CodeKind.LINK, code=code) for code in made].count(OWNER) == 1
    assert db.codes.count_documents({}) == 1


def test_each_email_carries_a_code_of_its_own(codes: OneTimeCodes) -> None:
    made = [issue(codes, CodeKind.RESET) for _ in range(3)]
    assert [codes.redeem(kind=CodeKind.RESET, code=code) for code in made] == [OWNER] * 3


def test_of_many_takers_one_gets_it(codes: OneTimeCodes) -> None:
    code = issue(codes)
    taken = at_once(*[lambda: codes.redeem(kind=CodeKind.LINK, code=code)] * 8)
    assert sorted(map(str, taken)) == sorted([str(OWNER), *["None"] * 7])


def test_they_can_be_revoked(codes: OneTimeCodes) -> None:
    link, reset = issue(codes), issue(codes, CodeKind.RESET)
    other = codes.issue(kind=CodeKind.LINK, user_id=ObjectId())
    codes.revoke(user_id=OWNER, kind=CodeKind.RESET)
    assert codes.peek(kind=CodeKind.RESET, code=reset) is None
    assert codes.peek(kind=CodeKind.LINK, code=link) == OWNER
    codes.revoke(user_id=OWNER)
    assert codes.peek(kind=CodeKind.LINK, code=link) is None
    assert codes.peek(kind=CodeKind.LINK, code=other) is not None


def test_the_database_does_not_know_the_code(
    codes: OneTimeCodes, db: Mongo, clock: FixedClock
) -> None:
    link, reset = issue(codes), issue(codes, CodeKind.RESET)
    held = str(list(db.codes.find())).casefold()
    assert not any(code.casefold() in held for code in (link, link.replace("-", ""), reset))
    assert OneTimeCodes(db, JWT_SECRET + "!", clock).redeem(kind=CodeKind.LINK, code=link) is None
