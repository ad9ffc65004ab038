import pytest
from redis import Redis

from demo.servers import RedisServer
from services.core.redis_client import connect_redis
from services.core.slack_gate import KEY_PREFIX, SlackGate, operator_errors

POST = "chat.postMessage"


@pytest.fixture
def gate(redis: RedisServer) -> SlackGate:
    return SlackGate(connect_redis(redis.url))


@pytest.fixture
def other(redis: RedisServer) -> SlackGate:
    """The gate of another process."""
    return SlackGate(connect_redis(redis.url))


@pytest.fixture
def client(redis: RedisServer) -> Redis:
    return connect_redis(redis.url)


def is_closed(gate: SlackGate, method: str = POST, channel: str = "C1") -> bool:
    return gate.admit(method, channel).closed is not None


def end_minute(client: Redis) -> None:
    client.delete(*client.keys("helpdesk:probe:*"))


def test_a_rate_limit_of_a_channel_closes_it_for_all(gate: SlackGate, other: SlackGate) -> None:
    gate.record_rate_limit(POST, "C1", seconds=60)
    closed = other.admit(POST, "C1").closed
    assert closed is not None
    assert (closed.error, 55 < closed.seconds <= 61) == ("ratelimited", True)
    assert not is_closed(other, channel="C2")
    assert not is_closed(other, "chat.update")


def test_a_second_limited_channel_closes_the_method(gate: SlackGate, other: SlackGate) -> None:
    gate.record_rate_limit(POST, "C1", seconds=60)
    gate.record_rate_limit(POST, "C1", seconds=60)
    assert not is_closed(other, channel="C3")
    other.record_rate_limit(POST, "C2", seconds=60)
    assert is_closed(gate, channel="C3")


def test_a_method_that_is_limited_as_a_whole_is_closed_as_a_whole(gate: SlackGate) -> None:
    gate.record_rate_limit("chat.update", "C1", seconds=60)
    assert is_closed(gate, "chat.update", "C2")
    assert not is_closed(gate)


def test_a_wait_ends(gate: SlackGate, client: Redis) -> None:
    gate.record_rate_limit(POST, "C1", seconds=60)
    key = f"{KEY_PREFIX}{POST}:C1"
    assert 0 < client.ttl(key) <= 60
    client.delete(key)
    assert not is_closed(gate)


@pytest.mark.parametrize(
    ("error", "held_back", "admitted"),
    [
        ("account_inactive", (POST, "C2"), None),
        ("missing_scope", (POST, "C2"), ("chat.update", "C1")),
        ("is_archived", (POST, "C1"), (POST, "C2")),
        ("channel_not_found", (POST, "C1"), (POST, "C2")),
    ],
)
def test_an_operators_error_closes_what_it_concerns(
    gate: SlackGate,
    other: SlackGate,
    error: str,
    held_back: tuple[str, str],
    admitted: tuple[str, str] | None,
) -> None:
    gate.record_error(POST, "C1", error=error)
    assert is_closed(other, *held_back)
    assert admitted is None or not is_closed(other, *admitted)


@pytest.mark.parametrize(
    "method", ["conversations.history", "conversations.info", "conversations.replies"]
)
def test_a_scope_for_one_kind_of_conversation_closes_no_other(
    gate: SlackGate, other: SlackGate, method: str
) -> None:
    gate.record_error(method, "D1", error="missing_scope")
    assert is_closed(other, method, "D1")
    assert not is_closed(other, method, "C1")


@pytest.mark.parametrize("error", ["user_not_found", "msg_too_long", "fatal_error", ""])
def test_other_errors_close_nothing(gate: SlackGate, error: str) -> None:
    gate.record_error(POST, "U1", error=error)
    assert not is_closed(gate, channel="U1")


def test_a_member_who_is_not_found_closes_nothing(gate: SlackGate) -> None:
    gate.record_error(POST, "U1", error="channel_not_found")
    assert not is_closed(gate, channel="U1")


def test_one_call_a_minute_is_a_probe(gate: SlackGate, other: SlackGate, client: Redis) -> None:
    gate.record_error(POST, "C1", error="token_revoked")
    assert operator_errors(client) == {"*:*": "token_revoked"}
    end_minute(client)
    admission = other.admit(POST, "C2")
    assert admission.closed is None
    assert is_closed(gate)
    other.record_success(admission)
    assert not is_closed(gate)
    assert operator_errors(client) == {}


def test_presses_are_answered_in_any_case(gate: SlackGate) -> None:
    gate.record_error(POST, "C1", error="token_revoked")
    assert not is_closed(gate, "views.open", "")


def test_without_redis_a_process_remembers_its_own_errors() -> None:
    gate = SlackGate(connect_redis("redis://127.0.0.1:1/0"))
    assert not is_closed(gate)
    gate.record_rate_limit(POST, "C1", seconds=60)
    assert is_closed(gate)
    gate.record_error("chat.update", "C1", error="invalid_auth")
    assert is_closed(gate, channel="C2")
