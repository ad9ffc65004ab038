"""Everything behind sign-up, sign-in, profiles and passwords, put together once a process."""

from dataclasses import dataclass

from services.accounts.users import UserService
from services.auth.one_time_codes import Codes
from services.auth.password_reset import Resets
from services.auth.passwords import COST, Passwords
from services.auth.profile import Profiles
from services.auth.rate_limit import Throttle
from services.auth.session_tokens import Tokens
from services.auth.sign_in import SignIn
from services.core.clock import Clock, utcnow
from services.core.database import Mongo
from services.outbox.emails import Emails


@dataclass(frozen=True, slots=True)
class AccountServices:
    sign_in: SignIn
    profiles: Profiles
    resets: Resets
    codes: Codes
    letters: Emails


def build(
    db: Mongo,
    users: UserService,
    *,
    secret: str,
    redis_url: str,
    clock: Clock = utcnow,
    cost: int = COST,
) -> AccountServices:
    """`secret` is JWT_SECRET; `cost` is bcrypt's."""
    codes, letters = Codes(db, secret, clock), Emails(db, clock=clock)
    shared = (
        db,
        users,
        Passwords(cost=cost),
        Tokens(secret, clock=clock),
        Throttle(redis_url, space=db.name, clock=clock),
        codes,
        letters,
        clock,
    )
    return AccountServices(
        sign_in=SignIn(*shared),
        profiles=Profiles(*shared),
        resets=Resets(*shared),
        codes=codes,
        letters=letters,
    )
