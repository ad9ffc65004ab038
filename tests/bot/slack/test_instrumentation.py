"""Payloads: counted by handler and outcome, timed until the answer, one id through all threads."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import pytest
from slack_bolt import App, BoltRequest
from werkzeug.test import Client

import bot.app
from bot.routes import RouteKind
from bot.slack.bot_process import BotProcess
from bot.slack.instrumentation import with_request_ids
from bot.views import ids
from services.core import request_context
from services.core.database import connect
from services.core.metrics import ACK_SECONDS, HANDLED_PAYLOADS, InMemoryMeter, SampleKey
from services.core.rate_limiter import RateLimiter
from services.models.user import Role
from services.tickets.filing import TicketService
from tests.conftest import NOBODY_LISTENS, People, RecordingPublisher, with_services
from tests.support import payloads
from tests.support.recording_slack import RecordingSlack


@pytest.fixture
def meter() -> InMemoryMeter:
    return InMemoryMeter()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Real threads, as in production."""
    with ThreadPoolExecutor(4) as made:
        yield made


def build(bot_process: BotProcess, meter: InMemoryMeter, pool: ThreadPoolExecutor) -> App:
    counted = replace(bot_process, meter=meter, name="bot:1")
    return bot.app.create_app(counted, executor=pool)


def send(app: App, body: dict[str, object]) -> str:
    answer = app.dispatch(BoltRequest(body=body, mode="socket_mode"))
    return str(answer.body)


def handled(meter: InMemoryMeter) -> dict[tuple[str, ...], float]:
    """By handler and outcome."""
    counts = meter.samples()
    return {key.labels[1:]: n for key, n in counts.items() if key.metric == HANDLED_PAYLOADS.name}


def answered(meter: InMemoryMeter) -> dict[str, float]:
    """How many answers were timed, by handler."""
    found: dict[str, float] = {}
    for key, number in meter.samples().items():
        if key.metric == ACK_SECONDS.name and key.part != "sum":
            found[key.labels[1]] = found.get(key.labels[1], 0) + number
    return found


def test_by_the_innermost_route(
    bot_process: BotProcess,
    meter: InMemoryMeter,
    pool: ThreadPoolExecutor,
    slack: RecordingSlack,
    people: People,
) -> None:
    employee = People.slack_id(people.add())
    app = build(bot_process, meter, pool)
    send(app, payloads.slash_command(user=employee))
    form = {"title": "The VPN is down", "description": "Since Monday."}
    send(app, payloads.view_submission(slack.last_view(), form, user=employee))
    send(app, payloads.slash_command("help", user=employee))
    send(app, payloads.slash_command("hepl", user=employee))
    pool.shutdown(wait=True)  # what comes after the answers, too
    assert handled(meter) == {
        ("subcommand:bare", "ok"): 1,
        ("view:file_ticket", "ok"): 1,
        ("subcommand:help", "ok"): 1,
        ("command:/ticket", "ok"): 1,
    }
    assert answered(meter) == {handler: n for (handler, _), n in handled(meter).items()}
    assert {key.labels[0] for key in meter.samples()} == {"bot:1"}
    assert SampleKey(ACK_SECONDS.name, ("bot:1", "view:file_ticket"), "sum") in meter.samples()


def test_by_what_came_of_it(
    bot_process: BotProcess,
    meter: InMemoryMeter,
    pool: ThreadPoolExecutor,
    slack: RecordingSlack,
    people: People,
) -> None:
    employee = People.slack_id(people.add())
    app = build(bot_process, meter, pool)
    send(app, payloads.slash_command(user=employee))
    view = slack.last_view()
    send(app, payloads.view_submission(view, {"title": "ab", "description": "x"}, user=employee))
    slack.fail("views.open", status=500)
    send(app, payloads.slash_command(user=employee))
    away = connect(f"{NOBODY_LISTENS}?serverSelectionTimeoutMS=100")
    cut_off = build(
        with_services(bot_process, tickets=TicketService(away, RateLimiter(""))), meter, pool
    )
    form = {"title": "The VPN is down", "description": "Since Monday."}
    send(cut_off, payloads.view_submission(view, form, user=employee))

    class Broken(TicketService):
        create = None  # type: ignore[assignment]  # a fault of ours

    broken = build(with_services(bot_process, tickets=Broken(away, RateLimiter(""))), meter, pool)
    send(broken, payloads.view_submission(view, form, user=employee))
    pool.shutdown(wait=True)
    away.client.close()
    assert handled(meter) == {
        ("subcommand:bare", "ok"): 1,
        ("view:file_ticket", "refused"): 1,
        ("subcommand:bare", "slack"): 1,
        ("view:file_ticket", "database_away"): 1,
        ("view:file_ticket", "fault"): 1,
    }


def test_what_reaches_no_handler_is_timed_all_the_same(
    bot_process: BotProcess, meter: InMemoryMeter, pool: ThreadPoolExecutor, people: People
) -> None:
    app = build(bot_process, meter, pool)
    send(app, payloads.slash_command(user="U0STRANGER", team="T0OTHER"))
    send(app, payloads.slash_command(user="U0ANN", command="/unknown"))
    assert handled(meter) == {}
    assert answered(meter) == {"none": 2}


class NotingPublisher(RecordingPublisher):
    """Notes in which thread, and with which request id, a ticket was published."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, str | None]] = []

    def publish_ticket(self, ticket_id: str, *, countdown: float | None = None) -> None:
        self.seen.append((threading.get_ident(), request_context.current_ids().get("request_id")))


def test_a_form_is_filed_in_the_thread_that_received_it(
    bot_process: BotProcess,
    meter: InMemoryMeter,
    pool: ThreadPoolExecutor,
    slack: RecordingSlack,
    people: People,
) -> None:
    """Another thread would cost a switch for each wait of one for the other."""
    noting = NotingPublisher()
    people.add(Role.MODERATOR)
    employee = People.slack_id(people.add())
    app = build(replace(bot_process, publisher=noting), meter, pool)
    send(app, payloads.slash_command(user=employee))
    pool.shutdown()  # it would refuse a listener
    send(app, payloads.slash_command(user=employee))
    view = slack.last_view()
    with request_context.request_scope():
        outer = request_context.current_ids()["request_id"]
        form = {"title": "The VPN is down", "description": "Since Monday."}
        assert "Ticket filed" in send(app, payloads.view_submission(view, form, user=employee))
    assert noting.seen == [(threading.get_ident(), outer)]


def test_one_id_from_the_payload_to_what_comes_after_the_answer(
    bot_process: BotProcess,
    meter: InMemoryMeter,
    pool: ThreadPoolExecutor,
    people: People,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[int, str | None]] = []

    def open_view(**_: object) -> dict[str, object]:
        seen.append((threading.get_ident(), request_context.current_ids().get("request_id")))
        return {"view": {}}

    monkeypatch.setattr(bot_process.client, "views_open", open_view)
    employee = People.slack_id(people.add())
    app = build(bot_process, meter, pool)
    with request_context.request_scope():
        outer = request_context.current_ids()["request_id"]
        send(app, payloads.shortcut(ids.FILE_TICKET_SHORTCUT, user=employee))
    pool.shutdown(wait=True)
    ((thread, inner),) = seen
    assert thread != threading.get_ident()
    assert inner == outer
    assert request_context.current_ids() == {}


def test_slack_has_its_answer_while_the_handler_goes_on(
    bot_process: BotProcess,
    meter: InMemoryMeter,
    pool: ThreadPoolExecutor,
    people: People,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The thread of the request is woken by the acknowledgement: it does not poll."""
    go_on = threading.Event()

    def open_view(**_: object) -> dict[str, object]:
        go_on.wait(20)
        return {"view": {}}

    monkeypatch.setattr(bot_process.client, "views_open", open_view)
    slept: list[float] = []
    bolts_time = SimpleNamespace(time=time.time, sleep=slept.append)
    monkeypatch.setattr("slack_bolt.listener.thread_runner.time", bolts_time)
    employee = People.slack_id(people.add())
    app = build(bot_process, meter, pool)
    handler = f"shortcut:{ids.FILE_TICKET_SHORTCUT}", "ok"
    answer = app.dispatch(
        BoltRequest(
            body=payloads.shortcut(ids.FILE_TICKET_SHORTCUT, user=employee), mode="socket_mode"
        )
    )
    assert answer.status == 200
    assert handler not in handled(meter)
    go_on.set()
    pool.shutdown(wait=True)
    assert handled(meter)[handler] == 1
    assert slept == []


def test_a_new_members_command_is_answered_before_slack_says_who_they_are(
    bot_process: BotProcess,
    meter: InMemoryMeter,
    pool: ThreadPoolExecutor,
    slack: RecordingSlack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Slack shows an error if it waits for more than three seconds, though the form is open."""
    slack.add_member("U0NEW", email="new@example.com", name="New")
    ask_slack, go_on = bot_process.client.users_info, threading.Event()

    def users_info(*, user: str) -> object:
        go_on.wait(10)
        return ask_slack(user=user)

    monkeypatch.setattr(bot_process.client, "users_info", users_info)
    app = build(bot_process, meter, pool)
    send(app, payloads.slash_command(user="U0NEW"))
    assert handled(meter) == {}
    go_on.set()
    pool.shutdown(wait=True)
    assert handled(meter) == {("subcommand:bare", "ok"): 1}


def test_bolt_asks_few_matchers_before_it_finds_a_listener(
    bot_process: BotProcess, meter: InMemoryMeter, pool: ThreadPoolExecutor
) -> None:
    assert len(build(bot_process, meter, pool)._listeners) <= len(RouteKind) + 1


def test_each_http_request_has_an_id_of_its_own() -> None:
    def app(environ: object, start_response: object) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])  # type: ignore[operator]
        return [json.dumps(dict(request_context.current_ids())).encode()]

    client = Client(with_request_ids(app))
    first, second = (client.get("/").get_json()["request_id"] for _ in range(2))
    assert len(first) == 32
    assert first != second
