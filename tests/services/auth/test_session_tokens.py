"""Session tokens: only our own, until they expire."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from bson import ObjectId
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from services.auth.session_tokens import SessionClaims, SessionTokens
from services.models.user import Role, User
from tests.conftest import JWT_SECRET, FixedClock

JO = User(
    id=ObjectId("65f0c0ffee65f0c0ffee0001"),
    email="jo@example.com",
    role=Role.ADMIN,
    token_version=3,
)
KEY = hmac.digest(JWT_SECRET.encode(), b"session tokens", hashlib.sha256)


@pytest.fixture
def tokens(clock: FixedClock) -> SessionTokens:
    return SessionTokens(JWT_SECRET, clock=clock)


def claims(clock: FixedClock, **changes: Any) -> dict[str, Any]:
    """The claims of a valid token; None removes one."""
    now = int(clock().timestamp())
    good = {
        "iss": "ai-ticket-assistant",
        "aud": "ai-ticket-assistant:session",
        "sub": str(JO.id),
        "ver": 3,
        "iat": now,
        "exp": now + 60,
    }
    return {name: value for name, value in (good | changes).items() if value is not None}


def signed(payload: dict[str, Any], *, key: bytes = KEY, algorithm: str = "HS256") -> str:
    return jwt.encode(payload, key, algorithm=algorithm)


def part(content: object) -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_what_is_issued_is_read(tokens: SessionTokens) -> None:
    one, other = tokens.verify(tokens.issue(JO)), tokens.verify(tokens.issue(JO))
    assert one
    assert other
    assert (one.user_id, one.token_version) == (other.user_id, other.token_version) == (JO.id, 3)
    assert one.session_id != other.session_id


def test_what_is_in_it(tokens: SessionTokens, clock: FixedClock) -> None:
    """A token contains no role and no address."""
    token = tokens.issue(JO)
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    content = jwt.decode(token, options={"verify_signature": False})
    issued = int(clock().timestamp())
    week = int(timedelta(days=7).total_seconds())
    assert len(content.pop("jti")) == 16
    assert content == claims(clock, iat=issued, exp=issued + week)


def test_our_own_forgery_with_the_key_is_read(tokens: SessionTokens, clock: FixedClock) -> None:
    """Unchanged it is valid, so each refusal below is due to its change."""
    token = signed(claims(clock))
    session_id = hashlib.sha256(token.encode()).hexdigest()[:32]
    until = datetime.fromtimestamp(int(clock().timestamp()) + 60, UTC)
    assert tokens.verify(token) == SessionClaims(JO.id, 3, session_id, until)


def test_it_ends_after_a_week(tokens: SessionTokens, clock: FixedClock) -> None:
    clock.now = datetime(2026, 3, 29, 1, tzinfo=UTC)
    token = tokens.issue(JO)
    clock.advance(days=7, seconds=-1)
    assert tokens.verify(token)
    clock.advance(seconds=1)
    assert tokens.verify(token) is None


def test_another_processs_clock_may_be_ahead_a_little(
    tokens: SessionTokens, clock: FixedClock
) -> None:
    now = int(clock().timestamp())
    assert tokens.verify(signed(claims(clock, iat=now + 29)))
    assert tokens.verify(signed(claims(clock, iat=now + 40))) is None


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "ver", "iat", "exp"])
def test_no_claim_may_be_missing(tokens: SessionTokens, clock: FixedClock, claim: str) -> None:
    assert tokens.verify(signed(claims(clock, **{claim: None}))) is None


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "somebody"},
        {"aud": "ai-ticket-assistant"},
        {"aud": []},
        {"sub": "jo@example.com"},
        {"sub": "65f0c0ffee"},
        {"ver": "3"},
        {"ver": True},
        {"ver": 3.0},
        {"ver": {"$gt": 0}},
        {"exp": "9999999999"},
        {"exp": 1e300},
        {"exp": 1},
        {"iat": "0"},
    ],
    ids=str,
)
def test_no_claim_may_be_another(
    tokens: SessionTokens, clock: FixedClock, change: dict[str, Any]
) -> None:
    assert tokens.verify(signed(claims(clock, **change))) is None


def test_a_legacy_token_is_not_valid(tokens: SessionTokens, clock: FixedClock) -> None:
    """Same secret, no expiry, and the role as a claim."""
    theirs = {"_id": str(JO.id), "role": "admin", "iat": int(clock().timestamp())}
    assert tokens.verify(signed(theirs, key=JWT_SECRET.encode())) is None
    assert tokens.verify(signed(claims(clock), key=JWT_SECRET.encode())) is None


def test_the_legacy_app_accepts_none_of_ours(tokens: SessionTokens) -> None:
    """It would: it requires no claim, and takes a missing role for a moderator's."""
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(
            tokens.issue(JO),
            JWT_SECRET,
            algorithms=["HS256"],
            options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
        )


def test_another_secrets_token_is_none(tokens: SessionTokens, clock: FixedClock) -> None:
    assert tokens.verify(SessionTokens(JWT_SECRET + "!", clock=clock).issue(JO)) is None


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
@pytest.mark.filterwarnings("ignore::jwt.InsecureKeyLengthWarning")
def test_another_algorithm_is_refused(
    tokens: SessionTokens, clock: FixedClock, algorithm: str
) -> None:
    assert tokens.verify(signed(claims(clock), algorithm=algorithm)) is None


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None])
def test_an_unsigned_token_is_refused(
    tokens: SessionTokens, clock: FixedClock, algorithm: str | None
) -> None:
    head, body = part({"alg": algorithm, "typ": "JWT"}), part(claims(clock))
    signature = tokens.issue(JO).rpartition(".")[2]
    for end in ("", signature):
        assert tokens.verify(f"{head}.{body}.{end}") is None


def test_a_public_keys_signature_is_refused(tokens: SessionTokens, clock: FixedClock) -> None:
    """RS256/HS256 confusion, in both directions."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert tokens.verify(jwt.encode(claims(clock), private, algorithm="RS256")) is None
    head, body = part({"alg": "HS256", "typ": "JWT"}), part(claims(clock))
    mac = hmac.digest(public, f"{head}.{body}".encode(), hashlib.sha256)
    end = base64.urlsafe_b64encode(mac).decode().rstrip("=")
    assert tokens.verify(f"{head}.{body}.{end}") is None


def test_a_changed_token_is_refused(tokens: SessionTokens, clock: FixedClock) -> None:
    head, body, end = tokens.issue(JO).split(".")
    forged = part(claims(clock, sub="65f0c0ffee65f0c0ffee0002"))
    for token in (f"{head}.{forged}.{end}", f"{head}.{body}.", f"{head}.{body}", f"{body}.{end}"):
        assert tokens.verify(token) is None


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "x" * 601,
        "\ud83d.\ud83d.\ud83d",
        "é.é.é",
        part("[" * 400) + ".e30.",
        part('{"alg": "HS256"}') + "." + part("null") + ".",
        {"$gt": ""},
        None,
        7,
    ],
    ids=range(12),
)
def test_nonsense_is_refused(tokens: SessionTokens, token: str) -> None:
    assert tokens.verify(token) is None
