"""The services for sign-up, sign-in, profiles and passwords, built once per process."""

from dataclasses import dataclass

from services.accounts.users import UserService
from services.auth.one_time_codes import OneTimeCodes
from services.auth.password_reset import PasswordResetService
from services.auth.passwords import BCRYPT_COST, PasswordHasher
from services.auth.profile import ProfileService
from services.auth.rate_limit import RateLimiter
from services.auth.session_tokens import SessionTokens
from services.auth.sign_in import SignInService
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.outbox.emails import Emails


@dataclass(frozen=True, slots=True)
class AccountServices:
    sign_in: SignInService
    profiles: ProfileService
    password_resets: PasswordResetService
    codes: OneTimeCodes
    emails: Emails


def build_account_services(
    db: Mongo,
    users: UserService,
    *,
    secret: str,
    redis_url: str,
    clock: Clock = utcnow,
    cost: int = BCRYPT_COST,
) -> AccountServices:
    """`secret` is JWT_SECRET; `cost` is bcrypt's."""
    codes, emails = OneTimeCodes(db, secret, clock), Emails(db, clock=clock)
    shared = (
        db,
        users,
        PasswordHasher(cost=cost),
        SessionTokens(secret, clock=clock),
        RateLimiter(redis_url, namespace=db.name, clock=clock),
        codes,
        emails,
        clock,
    )
    return AccountServices(
        sign_in=SignInService(*shared),
        profiles=ProfileService(*shared),
        password_resets=PasswordResetService(*shared),
        codes=codes,
        emails=emails,
    )
