"""Device tokens: of one account, for a time, and signed."""

import hashlib
import hmac
from datetime import timedelta

import jwt
import pytest

from services.auth.device_tokens import AUDIENCE, DEVICE_LIFETIME, DeviceTokens
from services.auth.session_tokens import ISSUER, MAX_TOKEN_LENGTH
from tests.conftest import JWT_SECRET, FixedClock

JO = "jo@example.com"


@pytest.fixture
def devices(clock: FixedClock) -> DeviceTokens:
    return DeviceTokens(JWT_SECRET, clock=clock)


def test_a_device_keeps_its_id(devices: DeviceTokens, clock: FixedClock) -> None:
    token = devices.issue(account=JO)
    known = devices.device_id(token, account=JO)
    assert known
    clock.advance(days=100)
    renewed = devices.issue(account=JO, token=token)
    clock.advance(days=100)
    assert devices.device_id(renewed, account=JO) == known
    assert devices.device_id(token, account=JO) is None
    assert devices.device_id(devices.issue(account=JO), account=JO) != known


def test_it_expires(devices: DeviceTokens, clock: FixedClock) -> None:
    token = devices.issue(account=JO)
    clock.now += DEVICE_LIFETIME - timedelta(seconds=1)
    assert devices.device_id(token, account=JO)
    clock.advance(seconds=2)
    assert devices.device_id(token, account=JO) is None


def test_it_is_of_one_account_and_does_not_name_it(devices: DeviceTokens) -> None:
    token = devices.issue(account=JO)
    assert devices.device_id(token, account="al@example.com") is None
    claims = jwt.decode(token, options={"verify_signature": False})
    assert "jo" not in str(claims["sub"])
    other = devices.issue(account="al@example.com", token=token)
    assert devices.device_id(other, account=JO) is None


def forged(**fields: object) -> str:
    key = hmac.digest(JWT_SECRET.encode(), b"device tokens", hashlib.sha256)
    subject = hmac.new(key, JO.encode(), hashlib.sha256).hexdigest()[:32]
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": subject, "jti": "x", "exp": 9_999_999_999}
    return jwt.encode({**claims, **fields}, key, algorithm="HS256")


def test_what_is_forged_is_no_device(devices: DeviceTokens) -> None:
    assert devices.device_id(forged(), account=JO) == "x"
    token = devices.issue(account=JO)
    unsigned = jwt.encode(jwt.decode(token, options={"verify_signature": False}), "", "none")
    for bad in (
        None,
        "",
        "x",
        "\ud83d",
        token[:-2],
        token + "x",
        unsigned,
        "x" * (MAX_TOKEN_LENGTH + 1),
        DeviceTokens(JWT_SECRET[::-1]).issue(account=JO),
        forged(aud="ai-ticket-assistant:session"),
        forged(iss="another"),
        forged(exp="never"),
        forged(sub=["x"]),
    ):
        assert devices.device_id(bad, account=JO) is None
