"""What the pages are made of, put together once a process."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.desk import Desk
from bot.web.pages.cookies import Cookies
from bot.web.pages.forgery import Forgery
from services.account_services import AccountServices
from services.setting_values import Network
from services.users import UserService


@dataclass(frozen=True, slots=True)
class Site:
    """`sends_mail` is whether whoever has forgotten a password can be mailed a link."""

    accounts: AccountServices
    users: UserService
    desk: Desk
    cookies: Cookies
    forgery: Forgery
    trusted_proxies: Sequence[Network]
    sends_mail: bool

    @classmethod
    def of(
        cls,
        desk: Desk,
        accounts: AccountServices,
        users: UserService,
        *,
        secret: str,
        trusted_proxies: Sequence[Network] = (),
        has_mail: bool = False,
    ) -> "Site":
        """`secret` is JWT_SECRET; `has_mail` says that there is a mail server."""
        cookies = Cookies(secure=is_secure(desk.app_url))
        return cls(
            accounts=accounts,
            users=users,
            desk=desk,
            cookies=cookies,
            forgery=Forgery(secret, cookies, app_url=desk.app_url),
            trusted_proxies=trusted_proxies,
            sends_mail=has_mail and desk.app_url is not None,
        )


def is_secure(app_url: str | None) -> bool:
    """Whether browsers reach the pages over TLS alone."""
    return (app_url or "").startswith("https://")
