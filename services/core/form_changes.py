"""Changes by a form that submits all of its fields, also the unchanged ones."""

from dataclasses import fields
from typing import Any

from services.core.errors import InvalidValue


def changed_fields(*, stored: Any, shown: Any, submitted: Any) -> dict[str, str]:
    """Return what the author changed, by field, as text.

    `shown` are the form's initial values, `stored` the current ones: dataclasses of one type, with
    a text in each field. Raises `InvalidValue` if another user has changed the same field since.
    """
    changed: dict[str, str] = {}
    for name in (field.name for field in fields(stored)):
        new, old, current = (getattr(form, name) for form in (submitted, shown, stored))
        if new in (old, current):
            continue
        if current != old:
            raise InvalidValue(
                name,
                f"Someone has changed this to “{current[:100] or 'nothing'}” since. Close "
                "this form and open it again, then decide.",
            )
        changed[name] = new
    return changed
