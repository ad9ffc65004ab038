"""Everything behind sign-up, sign-in, profiles and passwords, put together once a process."""

from dataclasses import dataclass

from services.clock import Clock, utcnow
from services.codes import Codes
from services.database import Mongo
from services.letters import Letters
from services.passwords import COST, Passwords
from services.profiles import Profiles
from services.resets import Resets
from services.sign_in import SignIn
from services.throttle import Throttle
from services.tokens import Tokens
from services.users import UserService


@dataclass(frozen=True, slots=True)
class AccountServices:
    sign_in: SignIn
    profiles: Profiles
    resets: Resets
    codes: Codes
    letters: Letters


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
    codes, letters = Codes(db, secret, clock), Letters(db, clock=clock)
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
