"""Rate limits under concurrency, attack and floods, and what other users notice of them."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from demo.servers import RedisServer
from services.core.database import Mongo
from services.core.rate_limit import RULES, Limit
from services.core.rate_limiter import RateLimiter
from services.models.ticket import Ticket
from services.models.user import User
from tests.conftest import FixedClock, People, at_once, build_services, filled_in, inline_bot
from tests.conftest import with_services as replaced
from tests.support import payloads
from tests.support.api_client import FINE, PASSWORD, Api
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.comment_helpers import changed, event_of
from tests.support.comment_helpers import said as reply_to
from tests.support.page_client import Browser
from tests.support.recording_slack import RecordingSlack

pytest_plugins = ["tests.support.scenario", "tests.support.pages"]

JO, AL = "jo@example.com", "al@example.com"
PAUSED = (
    "You have sent many messages in a short time. I answer again in 10 minutes. To file a ticket, "
    "type /ticket."
)
FULL = 20


def login(api: Api, email: str, password: str = PASSWORD, *, host: str) -> Any:
    return api.post(
        "/api/auth/login",
        json={"email": email, "password": password},
        headers={"X-Forwarded-For": host},
    )


def join(api: Api, *emails: str) -> None:
    for email in emails:
        answer = api.post("/api/auth/signup", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 201


# Tickets


def test_of_eighty_concurrent_tickets_of_one_account_twenty_are_filed(
    api: Api,
    bot_process: Any,
    redis: RedisServer,
    slack: RecordingSlack,
    employee: User,
    db: Mongo,
    clock: FixedClock,
) -> None:
    """Over two bot processes, and over Slack and the API at the same time."""
    other = build_services(db, clock, REDIS_URL=redis.url)
    in_slack = inline_bot(replaced(bot_process, tickets=other.tickets))
    slack_id = People.slack_id(employee)
    forms = [filled_in(in_slack, slack, slack_id) for _ in range(40)]
    token = api.token(employee)
    clients = [Api(api.url) for _ in range(40)]

    def post(client: Api) -> bool:
        answer = client.post("/api/tickets", by=token, json=FINE)
        assert answer.status_code in (201, 429)
        assert answer.status_code == 201 or 0 < int(answer.headers["Retry-After"]) <= 3_600
        return answer.status_code == 201

    def submit(form: dict[str, Any]) -> bool:
        return "is filed" in str(in_slack.answer(form))  # else refused, or asked as it is similar

    outcomes = at_once(
        *[lambda client=client: post(client) for client in clients],
        *[lambda form=form: submit(form) for form in forms],
    )
    assert sorted(outcomes) == [False] * (80 - FULL) + [True] * FULL
    assert db.tickets.count_documents({"createdBy": employee.id}) == FULL


# Sign-in


def test_sign_ins_with_a_right_password_starve_no_one(
    api: Api, bot_process: Any, db: Mongo
) -> None:
    """Two connections sign in without a pause; others get in, each at the first attempt."""
    join(api, JO, AL)
    bot_process.services.password_hasher._cost = 10  # as long as to be in each other's way
    stop = threading.Event()

    def hammer() -> list[int]:
        client, seen = Api(api.url), []
        while not stop.is_set():
            seen.append(login(client, JO, host="198.51.100.7").status_code)
        return seen

    with ThreadPoolExecutor(2) as pool:
        attackers = [pool.submit(hammer) for _ in range(2)]
        try:
            others = [login(api, AL, host=f"203.0.113.{number}") for number in range(12)]
        finally:
            stop.set()
        hammered = [status for attacker in attackers for status in attacker.result()]
    assert [answer.status_code for answer in others] == [200] * 12
    assert set(hammered) <= {200, 429}


def test_an_address_has_a_limit_whatever_the_outcome(api: Api) -> None:
    join(api, JO, AL)
    answers = [login(api, JO, host="198.51.100.7") for _ in range(101)]
    assert [answer.status_code for answer in answers] == [200] * 100 + [429]
    assert answers[-1].json()["error"] == (
        "There were too many sign-ins from your network. Try again in 15 minutes."
    )
    assert login(api, AL, host="198.51.100.7").status_code == 429
    assert login(api, JO, host="203.0.113.9").status_code == 200


@pytest.mark.parametrize(
    ("stranger", "owner"),
    [("198.51.100.7", "198.51.101.7"), ("2001:db8:0:1200::7", "2001:db8:0:1300::7")],
)
def test_a_stranger_locks_only_their_own_network(api: Api, stranger: str, owner: str) -> None:
    join(api, JO)
    network = stranger.rpartition("7")[0]
    answers = [
        login(api, JO, "a wrong one", host=f"{network}{number + 1}").status_code
        for number in range(11)
    ]
    assert answers == [401] * 10 + [429]
    assert login(api, JO, host=stranger).status_code == 429
    assert login(api, JO, host=owner).status_code == 200


def spray(api: Api, email: str = JO, *, guesses: int = 100) -> None:
    """Guess wrong from ten networks."""
    for number in range(guesses):
        answer = login(api, email, "a wrong one", host=f"198.18.{200 + number % 10}.1")
        assert answer.status_code == 401


def test_after_a_hundred_wrong_passwords_only_known_browsers_sign_in(
    api: Api, browser: Browser, url: str, clock: FixedClock
) -> None:
    browser.sign_up(JO)
    program = login(api, JO, host="203.0.113.9").cookies["__Host-device"]
    browser.fill(browser.open("/profile"), "/signout")
    spray(api)
    stranger = Browser(url)
    sentence = (
        "There were too many wrong passwords for this account, so new browsers and programs cannot "
        "sign in. Use a browser that you have signed in with before, or set a new password with "
        "“Forgot your password?”. Otherwise try again in 24 hours."
    )
    page = stranger.sign_in(JO)
    assert (page.status, page.alerts) == (429, [sentence])
    refused = login(api, JO, host="203.0.113.9")
    assert refused.status_code == 429
    assert refused.json() == {"error": sentence, "code": "too_many_requests"}
    assert int(refused.headers["Retry-After"]) == 24 * 3_600
    assert browser.sign_in(JO).path == "profile"
    sent = {"json": {"email": JO, "password": PASSWORD}}
    kept = {"headers": {"Cookie": f"__Host-device={program}"}}
    assert api.post("/api/auth/login", **sent, **kept).status_code == 200
    assert api.post("/api/auth/login", **sent).status_code == 429
    # The browser is known for its own account only.
    stranger.cookies.set("device", f"{browser.cookies['device']}x")
    assert stranger.sign_in(JO).status == 429
    clock.advance(hours=24, seconds=1)
    assert stranger.sign_in(JO).status == 200


# Messages to the bot


MINUTES = itertools.count(30_000_000)


def write(system: BotAndWorkers, user: User, text: str) -> Any:
    return write_as(system, People.slack_id(user), text)


def write_as(system: BotAndWorkers, slack_id: str, text: str) -> Any:
    """The lines of one minute are one text, so each message is written in a minute of its own."""
    ts = f"{next(MINUTES) * 61}.000001"
    event = event_of(system.slack.say(f"D{slack_id[1:]}", text, user=slack_id, ts=ts))
    assert system.bot.answer(event) == {}
    system.work()
    return event


def answers(system: BotAndWorkers, user: User) -> list[str]:
    return [message["text"] for message in system.messages(user) if "bot_id" in message]


def test_a_flood_of_messages_gets_some_offers_one_sentence_and_silence(
    system: BotAndWorkers, ann: User, ben: User, clock: FixedClock
) -> None:
    for number in range(100):
        write(system, ann, f"Message {number}")
    said = answers(system, ann)
    assert len(said) == FULL + 1
    assert said.index(PAUSED) == FULL
    write(system, ben, "The VPN drops")
    assert len(answers(system, ben)) == 1
    clock.advance(minutes=10, seconds=1)
    write(system, ann, "One more")
    assert len(answers(system, ann)) == FULL + 2


def test_the_lines_of_a_minute_get_one_offer(system: BotAndWorkers, ann: User) -> None:
    slack_id = People.slack_id(ann)
    for number in range(2 * FULL):
        ts = f"1900000000.0000{number:02}"
        line = system.slack.say(f"D{slack_id[1:]}", f"Line {number}", user=slack_id, ts=ts)
        assert system.bot.answer(event_of(line)) == {}
    system.work()
    assert len(answers(system, ann)) == 1


def test_an_automatic_reply_to_each_answer_comes_to_an_end(
    system: BotAndWorkers, ann: User
) -> None:
    write(system, ann, "The VPN drops")
    heard = 0
    for _ in range(200):
        said = answers(system, ann)
        if len(said) == heard:
            break
        heard = len(said)
        write(system, ann, "I am out of office until Monday.")
    assert heard == FULL + 1
    assert answers(system, ann)[-1] == PAUSED


def test_an_edit_is_followed_whatever_the_limit(system: BotAndWorkers, ann: User) -> None:
    """The author may have taken back a secret."""
    first = write(system, ann, "It is hunter2")
    for number in range(FULL + 5):
        write(system, ann, f"Message {number}")
    system.bot.answer(changed(first, "It is a secret"))
    system.work()
    assert "hunter2" not in "".join(answers(system, ann))
    assert len(answers(system, ann)) == FULL + 1


def test_a_flood_of_refused_replies_in_a_thread_is_answered_no_longer(
    system: BotAndWorkers, ann: User, ticket: Ticket
) -> None:
    card = system.messages(ann)[0]
    for number in range(FULL + 10):
        system.bot.answer(reply_to(system.slack, ann, card, f"Reply {number}" + "x" * 3_000))
        system.work()
    ephemeral = [call.args["text"] for call in system.slack.calls_to("chat.postEphemeral")]
    assert len(ephemeral) == FULL + 1
    assert ephemeral[-1] == PAUSED


def test_reactions_count_as_messages(system: BotAndWorkers, ann: User) -> None:
    for number in range(FULL + 10):
        item = {"type": "message", "channel": "C0GENERAL", "ts": f"1700000000.0000{number:02}"}
        user = People.slack_id(ann)
        mark = {"type": "reaction_added", "user": user, "reaction": "ticket"}
        system.bot.answer(payloads.event({**mark, "item": item, "item_user": user}))
        system.work()
    said = answers(system, ann)
    assert (len(said), said[-1]) == (FULL + 1, PAUSED)


@pytest.mark.parametrize("author", ["a bot", "Slackbot"])
def test_a_bot_is_not_answered(system: BotAndWorkers, author: str) -> None:
    slack_id = "USLACKBOT" if author == "Slackbot" else "U0OTHERBOT"
    system.slack.add_member(slack_id, email="", name=author, is_bot=author == "a bot")
    write_as(system, slack_id, "I am away.")
    assert system.db.replies.count_documents({}) == 0


# Calls of the API


def test_an_account_has_a_limit_of_calls(
    api: Api, rate_limiter: RateLimiter, employee: User, moderator: User
) -> None:
    for _ in range(RULES[Limit.API_CALLS].amount):
        rate_limiter.take((Limit.API_CALLS, str(employee.id)))
    for answer in (
        api.get("/api/tickets", by=employee),
        api.post("/api/tickets", by=employee, json=FINE),
        api.post("/api/auth/logout", by=employee),
    ):
        assert answer.status_code == 429
        assert answer.json() == {
            "error": "This account has made 600 calls within a minute, which is the limit. Try "
            "again in a minute.",
            "code": "too_many_requests",
        }
        assert answer.headers["Retry-After"] == "60"
    assert api.get("/api/tickets", by=moderator).status_code == 200
