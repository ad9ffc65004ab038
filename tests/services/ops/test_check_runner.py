"""The runner of the doctor's checks: order, timeout, and independence of the checks."""

import threading

import pytest

from services.ops.check_runner import (
    Check,
    CheckStatus,
    Finding,
    fail,
    ok,
    run_checks,
    skip,
    summary,
    warn,
)


def lines(*checks: Check, seconds: float = 5.0) -> list[str]:
    return [finding.format_line(about) for about, finding in run_checks(checks, seconds=seconds)]


def test_a_line_says_how_it_stands_what_was_found_and_what_to_do() -> None:
    assert lines(
        Check("MongoDB", lambda: ok("8.2 answers")),
        Check("mail", lambda: warn("it is slow", "Wait.")),
        Check("Slack token", lambda: fail("it is dead", "Make another.")),
    ) == [
        "ok    MongoDB:       8.2 answers",
        "warn  mail:          it is slow. Wait.",
        "FAIL  Slack token:   it is dead. Make another.",
    ]


def test_whatever_a_server_says_stays_on_one_line() -> None:
    found = Finding(CheckStatus.OK, "Ex\x1b[31mam\nple\u202e  Inc")
    assert found.format_line("Slack token") == "ok    Slack token:   Ex[31mam ple Inc"


def test_a_check_that_breaks_off_stops_no_other_and_tells_no_secret() -> None:
    def broken() -> list[Finding]:
        raise RuntimeError("could not connect with pa55word")

    assert lines(Check("MongoDB", broken), Check("Redis", lambda: ok("here"))) == [
        "FAIL  MongoDB:       the check broke off (RuntimeError). Report this.",
        "ok    Redis:         here",
    ]


def test_a_check_that_hangs_is_left_behind() -> None:
    forever = threading.Event()

    def hangs() -> list[Finding]:
        forever.wait()
        return ok("too late")

    try:
        assert lines(Check("MongoDB", hangs), Check("Redis", lambda: ok("here")), seconds=0.05) == [
            "FAIL  MongoDB:       no answer within 0.05 s. Check the network between the two.",
            "ok    Redis:         here",
        ]
    finally:
        forever.set()


def test_checks_that_cannot_be_done_are_one_line_for_each_reason() -> None:
    def never() -> list[Finding]:
        raise AssertionError("checked all the same")

    assert lines(
        Check("MongoDB", lambda: fail("away", "Start it.")),
        Check("Redis", lambda: skip("REDIS_URL")),
        Check("token", lambda: warn("odd", "Look.")),
        Check("scopes", lambda: ok("fine"), depends_on=("token",)),
        Check("accounts", never, depends_on=("MongoDB", "token")),
        Check("outbox", never, depends_on=("accounts", "MongoDB")),
        Check("worker", never, depends_on=("Redis",)),
        Check("jobs", never, depends_on=("worker", "outbox")),
    ) == [
        "FAIL  MongoDB:       away. Start it.",
        "warn  token:         odd. Look.",
        "ok    scopes:        fine",
        "skip  not checked:   Redis, worker, because of REDIS_URL",
        "skip  not checked:   accounts, outbox, because of MongoDB",
        "skip  not checked:   jobs, because of REDIS_URL and MongoDB",
    ]


@pytest.mark.parametrize(
    ("states", "said"),
    [
        ([CheckStatus.OK], "Everything is in order."),
        ([CheckStatus.OK, CheckStatus.WARN], "It works; 1 warn: have a look at this."),
        ([CheckStatus.WARN, CheckStatus.WARN], "It works; 2 warn: have a look at these."),
        ([CheckStatus.FAIL, CheckStatus.WARN], "1 FAIL, 1 warn. Correct what says FAIL first."),
    ],
)
def test_the_last_line_sums_up(states: list[CheckStatus], said: str) -> None:
    assert summary(states) == said
