"""Build an email message: plain text and HTML, safe from header injection."""

import re
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from html import escape

from services.core.text import EMAIL_PATTERN
from tasks.email.templates import EmailContent, Link, one_line

SENDER_NAME = "Help desk"
FOOTER = "Sent by the help desk's bot. Nobody reads replies to this address."
MAX_SUBJECT_LENGTH = 200
# ASCII in short lines, which every server forwards unchanged.
TRANSFER_ENCODING = "quoted-printable"
# Begins an encoded word (RFC 2047). The standard library decodes it in a header's value, including
# line breaks, so that a sender could add headers.
ENCODED_WORD_START = "=?"
DOMAIN_PATTERN = re.compile(r"[\w-]+(\.[\w-]+)+", re.ASCII)

_PAGE = """\
<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title></head>
<body style="margin:0;padding:24px;background:#f5f5f4;color:#1c1917;\
font:16px/1.5 system-ui,sans-serif">
<div style="max-width:560px;margin:0 auto;padding:24px;background:#ffffff;border-radius:8px;\
overflow-wrap:anywhere">
{body}
<p style="margin:24px 0 0;color:#57534e;font-size:14px">{footer}</p>
</div>
</body>
</html>
"""
_PARAGRAPH = '<p style="margin:0 0 16px">{text}</p>'
# A button, as on the pages; mail programs without such styles show a link.
_LINK = """\
<p style="margin:24px 0"><a href="{url}" style="display:inline-block;padding:11px 18px;\
border-radius:8px;background:#1d4ed8;color:#ffffff;font-weight:600;text-decoration:none">\
{label}</a></p>"""


class BadAddressError(ValueError):
    """Not an address that email can be sent to."""


def build_email(
    content: EmailContent, *, sender: Address, recipient: Address, message_id: str, now: datetime
) -> EmailMessage:
    """Build the message. `message_id` is the part of its Message-ID before the @, so that mail
    programs recognise a repeated email."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = one_line(content.subject)[:MAX_SUBJECT_LENGTH].replace(
        ENCODED_WORD_START, "= ?"
    )
    mail["Date"] = now
    mail["Message-ID"] = f"<{message_id}@{sender.domain}>"
    # RFC 3834: prevents automatic replies.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_text(content), cte=TRANSFER_ENCODING)
    mail.add_alternative(_html(content), subtype="html", cte=TRANSFER_ENCODING)
    return mail


def parse_address(email: str, *, name: str = "") -> Address:
    """Raises `BadAddressError`."""
    email = email.strip()
    local, _, domain = email.rpartition("@")
    if not email.isprintable() or not EMAIL_PATTERN.fullmatch(email) or ENCODED_WORD_START in email:
        raise BadAddressError("not an address")
    try:
        if not domain.isascii():
            domain = domain.encode("idna").decode()
        if not DOMAIN_PATTERN.fullmatch(domain):
            raise BadAddressError("not an address")
        return Address(display_name=name, username=local, domain=domain)
    except ValueError as error:  # also UnicodeError, for an invalid domain
        raise BadAddressError("not an address") from error


def _text(content: EmailContent) -> str:
    parts = [f"{p.label}:\n{p.url}" if isinstance(p, Link) else p for p in content.body]
    return "\n\n".join([*parts, f"-- \n{FOOTER}"]) + "\n"


def _html(content: EmailContent) -> str:
    body = "\n".join(
        _LINK.format(url=escape(part.url), label=escape(part.label))
        if isinstance(part, Link)
        else _PARAGRAPH.format(text=escape(part))
        for part in content.body
    )
    return _PAGE.format(title=escape(content.subject), body=body, footer=escape(FOOTER))
