"""The warning in a form about a password or key in a text that others will read."""

import hashlib
from collections.abc import Callable, Mapping

from bot.slack.request import Request
from bot.views.text import has_secret

WARNING = (
    "This looks like a password, a key, or a card or bank number. Remove it, or press {submit} "
    "again: then only the ticket's page shows it."
)
THREAD_WARNING = (
    "Your message looks like it contains a password, a key, or a card or bank number. Delete "
    "the message if you can: everyone in this conversation can read it. Elsewhere only the "
    "ticket's page shows it."
)


def warn_of_secrets(
    req: Request, *fields: str, find_errors: Callable[[], Mapping[str, str]] = dict
) -> bool:
    """Show the warning beside each of the form's fields that seems to contain a secret, and return
    True; False if none does, or if this form was submitted with these texts before.

    `find_errors` returns what else is wrong, by field, to be shown at the same time.
    """
    texts = {field: req.form.submitted(field) for field in fields if field in req.form}
    found = {
        field: text for field, text in texts.items() if isinstance(text, str) and has_secret(text)
    }
    view = req.body["view"]
    if not found or not req.services.processed_events.claim(
        f"secret:{view['id']}:{_digest(found)}"
    ):
        return False
    warning = WARNING.format(submit=view["submit"]["text"])
    errors = dict(find_errors())
    for field in found:
        errors[field] = f"{errors[field]} {warning}" if field in errors else warning
    req.ack(response_action="errors", errors=errors)
    return True


def _digest(texts: dict[str, str]) -> str:
    """Return a few characters, too few to guess a password from."""
    return hashlib.sha256(repr(texts).encode()).hexdigest()[:4]
