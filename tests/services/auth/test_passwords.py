"""Passwords, legacy hashes included, and the cost of each comparison."""

import threading
import time
from collections.abc import Callable

import bcrypt
import pytest
import zxcvbn
from hypothesis import given, settings
from hypothesis import strategies as st

from services.auth.passwords import (
    BCRYPT_COST,
    PasswordHasher,
    bcrypt_cost,
    check_password_length,
    checked_password,
    is_easy_to_guess,
)
from services.core.errors import InvalidValue, LimitReached
from tests.conftest import CHEAP, EASY_PASSWORD, at_once

PASSWORD = "correct horse"
TOO_LONG = (
    "A password has at most 72 letters or digits, fewer with accents or emoji. If yours is longer, "
    "set a new one with “Forgot your password?”."
)


def hashed(text: str, *, cost: int = CHEAP, prefix: str = "$2b$") -> str:
    """A hash like those in the legacy backend's database."""
    made = bcrypt.hashpw(text.encode(), bcrypt.gensalt(cost)).decode()
    return prefix + made.removeprefix("$2b$")


def test_what_is_hashed_matches_and_nothing_else() -> None:
    cheap = PasswordHasher(cost=CHEAP)
    stored = cheap.hash(PASSWORD)
    assert stored != cheap.hash(PASSWORD)
    assert cheap.matches(PASSWORD, stored)
    for other in ("", "correct hors", "Correct horse", "correct horse ", "correct horse\0"):
        assert not cheap.matches(other, stored)


def test_the_cost_is_twelve() -> None:
    assert BCRYPT_COST == 12
    assert bcrypt_cost(PasswordHasher().hash(PASSWORD)) == 12


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
@pytest.mark.parametrize("cost", [4, 5])
def test_legacy_hashes_match(prefix: str, cost: int) -> None:
    cheap = PasswordHasher(cost=CHEAP)
    stored = hashed("pässwörd \N{SNOWMAN}", cost=cost, prefix=prefix)
    assert cheap.matches("pässwörd \N{SNOWMAN}", stored)
    assert not cheap.matches("passwörd \N{SNOWMAN}", stored)
    assert cheap.is_outdated(stored) is ((prefix, cost) != ("$2b$", CHEAP))


def test_hashes_made_by_other_programs_match() -> None:
    cheap = PasswordHasher(cost=CHEAP)
    # The test vectors of OpenBSD's and of Spring's implementations.
    for text, stored in {
        "abc": "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i",
        "~!@#$%^&*()      ~!@#$%^&*()PNBFRD": (
            "$2a$06$fPIsBO8qRqkjj273rfaOI.HtSV9jLDpTbZn782DC6/t7qT67P6FfO"
        ),
    }.items():
        assert cheap.matches(text, stored)
        assert cheap.is_outdated(stored)


def test_emails_are_sent_in_the_order_they_were_queued() -> None:
    """Two Unicode forms of one letter are two passwords, as in the legacy backend."""
    cheap = PasswordHasher(cost=CHEAP)
    composed, decomposed = "caf\u00e9 au lait", "cafe\u0301 au lait"
    assert cheap.matches(composed, hashed(composed))
    assert not cheap.matches(decomposed, hashed(composed))


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "",
        "plain text",
        "$2b$04$short",
        "$2x$04$" + "." * 53,
        "$2b$03$" + "." * 53,
        "$2b$31$" + "." * 53,
        "$2b$04$" + "." * 52 + "!",
        "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$hash",
        "$2b$04$" + "." * 53 + "\n",
    ],
)
def test_what_is_no_hash_matches_nothing(stored: str | None) -> None:
    for text in ("", PASSWORD, stored or "None"):
        assert not PasswordHasher(cost=CHEAP).matches(text, stored)


@pytest.mark.parametrize("text", ["half \ud83d of one", "nul\0nul", "x" * 73])
def test_what_nobody_can_have_typed_matches_nothing(text: str) -> None:
    assert not PasswordHasher(cost=CHEAP).matches(text, hashed(text[:3]))


class Work:
    """Wraps bcrypt: adds up the cost in hashes of cost 0, and may delay each call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.spent = 0
        self.before: Callable[[], object] = lambda: None
        hash_, check = bcrypt.hashpw, bcrypt.checkpw

        def counting_hash(password: bytes, salt: bytes) -> bytes:
            self._count(salt)
            return hash_(password, salt)

        def counting_check(password: bytes, stored: bytes) -> bool:
            self._count(stored)
            return check(password, stored)

        monkeypatch.setattr(bcrypt, "hashpw", counting_hash)
        monkeypatch.setattr(bcrypt, "checkpw", counting_check)

    def _count(self, salt: bytes) -> None:
        self.before()
        self.spent += 2 ** int(salt[4:6])


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    return Work(monkeypatch)


@pytest.mark.parametrize(
    "stored",
    [
        None,
        "no hash",
        hashed(PASSWORD, cost=4),
        hashed(PASSWORD, cost=5, prefix="$2a$"),
        hashed(PASSWORD, cost=7),
        "$2b$31$" + "." * 53,
    ],
    ids=["no account", "unreadable", "cost 4", "cost 5", "cost 7", "cost 31"],
)
@pytest.mark.parametrize("text", ["wrong", "half \ud83d of one"], ids=["wrong", "impossible"])
def test_every_refusal_costs_the_same(stored: str | None, text: str, work: Work) -> None:
    assert not PasswordHasher(cost=7).matches(text, stored)
    assert work.spent == 2**7


def test_an_old_hash_of_a_higher_cost_costs_what_it_costs(work: Work) -> None:
    """A hash of cost 15 (here 8 instead of 6) is replaced at the owner's next sign-in."""
    stored = hashed(PASSWORD, cost=8)
    work.spent = 0
    assert not PasswordHasher(cost=6).matches("wrong", stored)
    assert work.spent == 2**8


def test_two_at_a_time_and_others_wait_in_a_short_queue(work: Work) -> None:
    cheap = PasswordHasher(cost=CHEAP, max_concurrent=2, max_queued=1, queue_seconds=60)
    begun, go_on = threading.Semaphore(0), threading.Event()
    running, peak = [], []

    def wait() -> None:
        running.append(1)
        peak.append(len(running))
        begun.release()
        assert go_on.wait(60)
        running.pop()

    work.before = wait

    def come_late() -> None:
        begun.acquire()
        begun.acquire()
        while cheap._pool._work_queue.empty():  # until the third waits
            time.sleep(0.001)
        for call in (lambda: cheap.hash(PASSWORD), lambda: cheap.matches(PASSWORD, None)):
            with pytest.raises(LimitReached) as refused:
                call()
            assert refused.value.retry_after == 2
            assert str(refused.value) == (
                "Many people are signing in at this moment. Try again in a few seconds."
            )
        go_on.set()

    calls = [lambda: cheap.hash(PASSWORD)] * 3
    assert [type(answer) for answer in at_once(*calls, come_late)] == [str] * 3 + [type(None)]
    assert max(peak) == 2


def test_who_has_waited_too_long_is_told_to_come_again(work: Work) -> None:
    cheap = PasswordHasher(cost=CHEAP, max_concurrent=1, queue_seconds=0.05)
    begun, go_on, compared = threading.Event(), threading.Event(), []

    def wait() -> None:
        compared.append(1)
        begun.set()
        assert go_on.wait(60)

    work.before = wait

    def come_late() -> None:
        assert begun.wait(60)
        with pytest.raises(LimitReached):
            cheap.hash(PASSWORD)
        go_on.set()

    # The first one takes longer than the queue lasts, too, and is not interrupted.
    hashed, _ = at_once(lambda: cheap.hash(PASSWORD), come_late)
    assert cheap.matches(PASSWORD, hashed)
    assert len(compared) == 2  # no hash is spent on the one that left


def test_a_fault_within_gives_its_place_back(work: Work) -> None:
    def fail() -> None:
        raise MemoryError

    cheap = PasswordHasher(cost=CHEAP, max_concurrent=1)
    work.before = fail
    with pytest.raises(MemoryError):
        cheap.hash(PASSWORD)
    work.before = lambda: None
    assert cheap.hash(PASSWORD)


@pytest.mark.parametrize(
    "text",
    [
        PASSWORD,
        " correct  horse ",
        "four words by chance" + " and more" * 5 + "123456X",
        "кит и море у леса",
        "k7\N{SNOWMAN}vq2\N{SNOWMAN}xw9",
        "$gt1k94wq7",
    ],
)
def test_a_good_password_is_taken_as_it_is(text: str) -> None:
    assert checked_password(text, context=("jo@example.com", None)) == text
    cheap = PasswordHasher(cost=CHEAP)
    assert cheap.matches(text, cheap.hash(text))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Choose a password of at least 10 characters."),
        ("kq7vw2xz9", "Choose a password of at least 10 characters."),
        ("x" * 73, TOO_LONG),
        ("\N{SNOWMAN}" * 25, TOO_LONG),
        ("kq7vw2xz9\0", "Leave out the character of the password that cannot be typed."),
        ("kq7vw2xz9\ud83d", "Leave out the character of the password that cannot be typed."),
        ({"$gt": ""}, "Write the password as text."),
        (["12345678"], "Write the password as text."),
        (12345678, "Write the password as text."),
        (None, "Write the password as text."),
    ],
)
def test_a_bad_password_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        checked_password(text, context=())
    assert (refused.value.field, str(refused.value)) == ("password", sentence)


@pytest.mark.parametrize(
    "text",
    [
        "password12",
        "1234567890",
        "qwertyuiop",
        " " * 10,
        "x" * 72,
        "\N{SNOWMAN}" * 24,
        "password" * 9,
        "P@ssw0rd2026",
        "\N{ZERO WIDTH SPACE}" * 12,
        "pass\N{SOFT HYPHEN}word\N{ZERO WIDTH SPACE}12",
        "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44\uff11\uff12",
        "Johanna.Quist@mail.brixwell.example",
        "johanna.quist",
        "JohannaQuist1",
        "Zw\u00fcckelmann1",
        "Brixwell123",
    ],
)
def test_an_easy_password_is_refused(text: str) -> None:
    context = ("johanna.quist@mail.brixwell.example", "Johanna Quist-Zw\u00fcckelmann", None)
    with pytest.raises(InvalidValue) as refused:
        checked_password(text, context=context)
    assert (refused.value.field, str(refused.value)) == ("password", EASY_PASSWORD)


def test_passwords_are_judged_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """zxcvbn has one dictionary of context for all threads."""
    judge, busy = zxcvbn.zxcvbn, threading.Lock()

    def judge_alone(text: str, user_inputs: list[str]) -> dict[str, object]:
        assert busy.acquire(blocking=False)
        time.sleep(0.01)
        result: dict[str, object] = judge(text, user_inputs)
        busy.release()
        return result

    monkeypatch.setattr(zxcvbn, "zxcvbn", judge_alone)
    names = ["zubrowvack", "quixeltomf", "vackzubrow"]
    judged = at_once(
        *[lambda own=own: is_easy_to_guess(f"{own}1", context=(own,)) for own in names]
    )
    assert judged == [True] * 3
    assert not is_easy_to_guess(f"{names[0]}1", context=names[1:])


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=10, max_size=72))
@settings(max_examples=100, deadline=None)
def test_every_text_is_judged(text: str) -> None:
    assert is_easy_to_guess(text, context=(text[:5],)) in {True, False}


def test_a_part_is_judged_because_look_alikes_cost_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge, judged = zxcvbn.zxcvbn, []

    def record(text: str, user_inputs: list[str]) -> dict[str, object]:
        judged.append((text, user_inputs))
        result: dict[str, object] = judge(text, user_inputs)
        return result

    monkeypatch.setattr(zxcvbn, "zxcvbn", record)
    assert not is_easy_to_guess("4@8({[<369!1|70$5+%2" * 3, context=("x" * 80,))
    assert judged == [("4@8({[<369!1|70$", ["x" * 16])]


def test_sign_in_accepts_a_short_password_but_none_that_would_be_truncated() -> None:
    check_password_length("x")
    with pytest.raises(InvalidValue) as refused:
        check_password_length("x" * 73)
    assert str(refused.value) == TOO_LONG


@pytest.mark.parametrize("prefix", ["$2b$12$", "$2a$10$", "$2b$10$", "$2b$15$", "$2y$12$"])
def test_what_is_replaced_at_sign_in(prefix: str) -> None:
    assert PasswordHasher().is_outdated(prefix + "." * 53) is (prefix != "$2b$12$")
