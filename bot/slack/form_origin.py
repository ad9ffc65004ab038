"""Where a form was opened from: it is refreshed once the form is submitted.

A submission names neither the message nor the screen of the button that opened the form, so the
form's private metadata holds them, after what the form itself needs.
https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.views import ids
from bot.views.inputs import ORIGIN_SEPARATOR, View, own_metadata


class OriginKind(StrEnum):
    NONE = ""  # a command, or a form of an earlier release
    HOME = "home"
    FORM = "form"  # another form, below this one
    PAGE = "page"  # a message that only the user sees
    MESSAGE = "message"
    QUESTION = "question"  # a message that asked whether to do this


@dataclass(frozen=True, slots=True)
class FormOrigin:
    """`response_url` is that of the message; "" in Home."""

    kind: OriginKind = OriginKind.NONE
    response_url: str = ""

    @classmethod
    def of_press(cls, body: Mapping[str, Any]) -> "FormOrigin":
        if (body.get("view") or {}).get("type") == "home":
            return cls(OriginKind.HOME)
        if (body.get("view") or {}).get("type") == "modal":
            return cls(OriginKind.FORM)
        url = body.get("response_url")
        if not url or body.get("type") != "block_actions":
            return cls()
        is_page = (body.get("container") or {}).get("is_ephemeral")
        kind = OriginKind.PAGE if is_page else OriginKind.MESSAGE
        if body["actions"][0]["action_id"] == ids.RESOLVE_ASKED:
            kind = OriginKind.QUESTION
        return cls(kind, str(url))

    @classmethod
    def of_view(cls, view: Mapping[str, Any]) -> "FormOrigin":
        text = str(view.get("private_metadata") or "")
        kind, _, url = text.partition(ORIGIN_SEPARATOR)[2].partition(" ")
        return cls(OriginKind(kind), url) if kind in set(OriginKind) else cls()

    def attached_to(self, view: View) -> View:
        """Return the form with this origin in its private metadata."""
        if self.kind is OriginKind.NONE:
            return view
        encoded = f"{own_metadata(view)}{ORIGIN_SEPARATOR}{self.kind} {self.response_url}"
        return {**view, "private_metadata": encoded.rstrip()}
