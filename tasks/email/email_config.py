"""Email settings: server, sender and links; None if email is off."""

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
    """`app_url` is the address of the pages; without it emails have no links."""

    server: SmtpServer
    sender: Address
    app_url: str | None
    codes: OneTimeCodes
    meter: Meter


def build_email_config(config: Settings, codes: OneTimeCodes, meter: Meter) -> EmailConfig | None:
    """Return None if no mail server is set."""
    if not config.mailtrap_smtp_host:
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
        config.mailtrap_smtp_host,
        config.mailtrap_smtp_port,
        user=config.mailtrap_smtp_user,
        password=config.mailtrap_smtp_pass,
    )


def sender_address(config: Settings) -> Address:
    """Return the sender: MAIL_FROM, else the SMTP user, else an address at the pages' host."""
    for email in (config.mail_from, config.mailtrap_smtp_user):
        with suppress(BadAddressError):  # the SMTP user may be no address
            return parse_address(email, name=SENDER_NAME)
    return Address(display_name=SENDER_NAME, username="helpdesk", domain=_host(config.app_url))


def _host(app_url: str | None) -> str:
    """Return the host's name. Not an IP address: many servers reject senders at one."""
    host = urlsplit(app_url or "").hostname or LOCAL_DOMAIN
    is_name = host.isascii() and "." in host and not host.replace(".", "").isdecimal()
    return host if is_name and ":" not in host else LOCAL_DOMAIN
