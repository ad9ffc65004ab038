"""The composition of the services, as each process has it."""

import subprocess
import sys

import pytest

from demo.servers import RedisServer
from services.auth.passwords import PasswordHasher, bcrypt_cost
from services.core.database import Mongo
from services.core.errors import LimitReached, Unauthenticated
from services.registry.services import Services
from tests.conftest import CHEAP, build_services, make_config

PASSWORD = "correct horse"
HEAVY = "print(sorted({'redis', 'jwt', 'rapidfuzz', 'sklearn', 'zxcvbn'} & {*sys.modules}))"


def test_a_session_of_one_process_is_one_of_every_other(db: Mongo, redis: RedisServer) -> None:
    config = make_config(REDIS_URL=redis.url)
    one, other = (Services.build(db, config) for _ in range(2))
    user = one.sign_in.sign_up(email="jo@example.com", password=PASSWORD)
    assert other.sign_in.authenticate(one.sign_in.issue_token(user)) == user
    # As it costs in production.
    assert bcrypt_cost((db.users.find_one() or {})["password"]) == 12
    changed = build_services(db, REDIS_URL=redis.url, JWT_SECRET=config.jwt_secret[::-1])
    with pytest.raises(Unauthenticated):
        changed.sign_in.authenticate(one.sign_in.issue_token(user))


def test_the_bound_on_hashes_is_the_processs(services: Services) -> None:
    services.password_hasher = PasswordHasher(cost=CHEAP, max_concurrent=1, max_queued=0)
    with services.profiles._hasher._places, pytest.raises(LimitReached):
        services.sign_in.sign_in(email="jo@example.com", password=PASSWORD)


def test_the_settings_reach_the_services(db: Mongo) -> None:
    services = Services.build(db, make_config(ACCOUNT_LINKING="strict", TRIAGE_CHANNEL="C0TRIAGE"))
    assert (services.is_linking_strict, services.has_triage) == (True, True)
    assert services.admin_emails == {"boss@example.com"}
    assert services.jwt_secret not in repr(services)


def test_a_command_loads_no_library_of_a_service_it_does_not_use() -> None:
    code = f"import sys, services.auth.passwords, services.registry.services\n{HEAVY}"
    done = subprocess.run(  # noqa: S603  our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
