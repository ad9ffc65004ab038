"""What the modal to update a ticket brings back: ids and numbers, never the ticket."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId

from bot.views.cards.action_buttons import parse_button_value


@dataclass(frozen=True, slots=True)
class EditMetadata:
    """`seq` is the ticket's when the form was filled in.

    Of a form that had been sent in vain: `changed_fields` are the fields its author had changed by
    then, and `acknowledged`, by field, up to which seq they have read of others' changes.
    """

    ticket_id: str
    seq: int
    changed_fields: frozenset[str] = frozenset()
    acknowledged: Mapping[str, int] = field(default_factory=dict)

    def encode(self) -> str:
        data = {"id": self.ticket_id, "seq": self.seq}
        conflict_data = {"touched": sorted(self.changed_fields), "told": dict(self.acknowledged)}
        return json.dumps(data | conflict_data if self.changed_fields else data)

    @classmethod
    def decode(cls, text: str) -> "EditMetadata":
        """What cannot be read is a form of no ticket."""
        data = _parse_object(text)
        changed_fields, acknowledged = data.get("touched"), data.get("told")
        return cls(
            ticket_id=str(data.get("id") or ""),
            seq=_as_int(data.get("seq")),
            changed_fields=frozenset(map(str, changed_fields))
            if isinstance(changed_fields, list)
            else frozenset(),
            acknowledged={str(name): _as_int(seq) for name, seq in acknowledged.items()}
            if isinstance(acknowledged, dict)
            else {},
        )


def _parse_object(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _as_int(value: Any) -> int:
    return value if isinstance(value, int) else 0


def ticket_id_from_view(view: Mapping[str, Any]) -> str | None:
    """The ticket that a modal is about, whichever step it belongs to."""
    text = str(view.get("private_metadata") or "")
    ticket_id, _ = parse_button_value(text)
    return (
        ticket_id if ObjectId.is_valid(ticket_id) else EditMetadata.decode(text).ticket_id or None
    )
