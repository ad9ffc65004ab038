"""Email settings: server, sender and links; None where mail is off."""

from contextlib import suppress
from dataclasses import dataclass
from email.headerregistry import Address
from urllib.parse import urlsplit

from services.auth.one_time_codes import OneTimeCodes
from services.core.metrics import Meter
from services.core.settings import Settings
from tasks.email.mime import SENDER_NAME, BadAddressError, parse_address
from tasks.email.smtp import SmtpServer

LOCAL_DOMAIN = "localhost"


@dataclass(frozen=True, slots=True)
class EmailConfig:
    """`app_url` is where the pages are; without it no email can link to them."""

    server: SmtpServer
    sender: Address
    app_url: str | None
    codes: OneTimeCodes
    meter: Meter


def build_email_config(config: Settings, codes: OneTimeCodes, meter: Meter) -> EmailConfig | None:
    """None where no mail server is set."""
    if not config.smtp_host:
        return None
    return EmailConfig(
        server=smtp_server(config),
        sender=sender_address(config),
        app_url=config.app_url,
        codes=codes,
        meter=meter,
    )


def smtp_server(config: Settings) -> SmtpServer:
    return SmtpServer(
        config.smtp_host,
        config.smtp_port,
        user=config.smtp_user,
        password=config.smtp_password,
    )


def sender_address(config: Settings) -> Address:
    """Who the mails are from: as set, else as one signs in, else of where the pages are."""
    for email in (config.mail_from, config.smtp_user):
        with suppress(BadAddressError):  # many sign in with a name
            return parse_address(email, name=SENDER_NAME)
    return Address(display_name=SENDER_NAME, username="helpdesk", domain=_host(config.app_url))


def _host(app_url: str | None) -> str:
    """A name and no number: an address with a number is refused by many."""
    host = urlsplit(app_url or "").hostname or LOCAL_DOMAIN
    is_name = host.isascii() and "." in host and not host.replace(".", "").isdecimal()
    return host if is_name and ":" not in host else LOCAL_DOMAIN
