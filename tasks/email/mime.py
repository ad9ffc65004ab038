"""Builds an email message: plain text and HTML, safe from header injection."""

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
# Quoted-printable is ASCII in short lines, which every server passes on unchanged.
TRANSFER_ENCODING = "quoted-printable"
# Begins an encoded word (RFC 2047). The standard library decodes those in what it is given for a
# header, a line break among it, and so writes a header of the sender's choice.
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
# What the email is for stands out, as the pages' own buttons do. Where a mail program draws less
# than that, it is a link.
_LINK = """\
<p style="margin:24px 0"><a href="{url}" style="display:inline-block;padding:11px 18px;\
border-radius:8px;background:#1d4ed8;color:#ffffff;font-weight:600;text-decoration:none">\
{label}</a></p>"""


class BadAddressError(ValueError):
    """No mail can be sent there."""


def build_email(
    content: EmailContent, *, sender: Address, recipient: Address, message_id: str, now: datetime
) -> EmailMessage:
    """`message_id` stands left of the @ of its Message-ID: one that comes twice can be told."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = recipient
    mail["Subject"] = one_line(content.subject)[:MAX_SUBJECT_LENGTH].replace(
        ENCODED_WORD_START, "= ?"
    )
    mail["Date"] = now
    mail["Message-ID"] = f"<{message_id}@{sender.domain}>"
    # RFC 3834: no out-of-office notice answers it.
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
    except ValueError as error:  # UnicodeError, too: such a domain cannot be
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
