"""What the modal to update a ticket brings back: ids and numbers, never the ticket."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bson import ObjectId

from bot.views.cards.action_buttons import read_value


@dataclass(frozen=True, slots=True)
class Metadata:
    """`seq` is the ticket's when the form was filled in.

    Of a form that had been sent in vain: `touched` are the fields its author had changed by then,
    and `told`, by field, up to which seq they have read of others' changes.
    """

    ticket_id: str
    seq: int
    touched: frozenset[str] = frozenset()
    told: Mapping[str, int] = field(default_factory=dict)

    def encode(self) -> str:
        kept = {"id": self.ticket_id, "seq": self.seq}
        again = {"touched": sorted(self.touched), "told": dict(self.told)}
        return json.dumps(kept | again if self.touched else kept)

    @classmethod
    def decode(cls, text: str) -> "Metadata":
        """What cannot be read is a form of no ticket."""
        held = _object(text)
        touched, told = held.get("touched"), held.get("told")
        return cls(
            ticket_id=str(held.get("id") or ""),
            seq=_number(held.get("seq")),
            touched=frozenset(map(str, touched)) if isinstance(touched, list) else frozenset(),
            told={str(name): _number(seq) for name, seq in told.items()}
            if isinstance(told, dict)
            else {},
        )


def _object(text: str) -> dict[str, Any]:
    try:
        held = json.loads(text)
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def ticket_of(view: Mapping[str, Any]) -> str | None:
    """The ticket that a modal is about, whichever step it belongs to."""
    text = str(view.get("private_metadata") or "")
    ticket_id, _ = read_value(text)
    return ticket_id if ObjectId.is_valid(ticket_id) else Metadata.decode(text).ticket_id or None
