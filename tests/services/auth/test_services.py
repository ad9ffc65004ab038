"""The account services, composed as the bot has them."""

import pytest
from services.auth.services import build_account_services

from demo.servers import RedisServer
from services.accounts.users import UserService
from services.auth.passwords import bcrypt_cost
from services.core.database import Mongo
from services.core.errors import LimitReached, Unauthenticated
from tests.conftest import JWT_SECRET

PASSWORD = "correct horse"


def test_a_session_of_one_process_is_one_of_every_other(
    db: Mongo, users: UserService, redis: RedisServer
) -> None:
    one = build_account_services(db, users, secret=JWT_SECRET, redis_url=redis.url)
    other = build_account_services(db, users, secret=JWT_SECRET, redis_url=redis.url)
    user = one.sign_in.sign_up(email="jo@example.com", password=PASSWORD)
    assert other.sign_in.authenticate(one.sign_in.issue_token(user)) == user
    # As it costs in production.
    assert bcrypt_cost((db.users.find_one() or {})["password"]) == 12
    changed = build_account_services(db, users, secret=JWT_SECRET[::-1], redis_url=redis.url)
    with pytest.raises(Unauthenticated):
        changed.sign_in.authenticate(one.sign_in.issue_token(user))


def test_the_bound_on_hashes_is_the_processs(
    db: Mongo, users: UserService, redis: RedisServer
) -> None:
    services = build_account_services(db, users, secret=JWT_SECRET, redis_url=redis.url, cost=4)
    hashes = services.profiles._hasher
    with hashes._slot(), hashes._slot(), pytest.raises(LimitReached):
        services.sign_in.sign_in(email="jo@example.com", password=PASSWORD)
