"""The modals to link an account: the code, the question whether it is theirs, the end."""

import json
from typing import Any

from bot.views import ids
from bot.views.blocks import actions, context, header
from bot.views.inputs import View, modal, text_input
from bot.views.modals.account import said, still_assigned
from bot.views.modals.person import ROLES
from bot.views.text import Block, plain_text
from services.linking.link_by_code import LinkPreview
from services.models.user import User

CODE_MAX = 40  # so that one may type blanks between
NO_PAGE = (
    "Accounts cannot be linked yet, because this help desk has no address for its pages. Ask an "
    "admin of this help desk to set APP_URL."
)
STEPS = (
    "1. Open the page, and sign in or sign up there.",
    "2. It shows a one-time code. Type it here.",
)
BY_ADDRESS = "use the account of your Slack email address"
NEVER_A_STRANGERS = "Never type a code that somebody else gave you, and pass yours on to nobody."
ANOTHER_ADDRESS = "That is another address than the one you have in Slack."
LATER = "Type /account whenever you want to change something."


def link_form(*, app_url: str | None, by_address: bool, note: str = "") -> View:
    """Asks for the code that the page shows. `by_address`: there is a way without one, too.

    The address stands there as text as well: one may want to open it on another device.
    """
    if not app_url and not by_address:
        return modal(title="Link an account", close="Close", blocks=[said(NO_PAGE)])
    blocks = [said(note)] if note else []
    if app_url:
        blocks += _way_by_page(f"{app_url}/link", by_address=by_address)
    else:
        blocks.append(said(f"Press Link to {BY_ADDRESS}."))
    return modal(
        callback_id=ids.LINK_ACCOUNT,
        title="Link an account",
        submit="Link",
        close="Cancel",
        blocks=blocks,
    )


def _way_by_page(url: str, *, by_address: bool) -> list[Block]:
    opener = {
        "type": "button",
        "action_id": ids.LINK_PAGE,
        "text": plain_text("Open the page"),
        "url": url,
        "style": "primary",
    }
    hint = NEVER_A_STRANGERS
    if by_address:
        hint += f" Or leave this empty, to {BY_ADDRESS}."
    return [
        said("\n".join(STEPS)),
        actions(opener),
        context(plain_text(url)),
        text_input(
            "code",
            "One-time code",
            limit=CODE_MAX,
            optional=by_address,
            hint=hint,
            example="7KQ2M-9XV4D",
        ),
    ]


def confirm(offer: LinkPreview, *, slack_user_id: str) -> View:
    """Asked once more, with whose account it is: what one typed may be a stranger's code."""
    blocks = [header(f"Link to {offer.email}?")]
    if not offer.is_slack_address:  # masked, a stranger's may look like one's own
        blocks.append(said(ANOTHER_ADDRESS))
    blocks.append(
        said(
            "If that is not your own address, press Cancel: somebody gave you a code of theirs, "
            "and would read what you write to the help desk."
        )
    )
    if offer.previous_user:
        blocks.append(said(_left_behind(offer.previous_user, offer.open_ticket_count)))
    return modal(
        callback_id=ids.CONFIRM_LINK,
        title="Link an account",
        submit="Link",
        close="Cancel",
        # What Slack keeps of the code is what our database keeps: not the code.
        private_metadata=json.dumps({"code": offer.code_id, "user": slack_user_id}),
        blocks=blocks,
    )


def read_confirm(metadata: str) -> tuple[str, str]:
    """The code's name and whose form it is; empty for what `confirm` did not write."""
    try:
        held: Any = json.loads(metadata or "null")
    except (ValueError, RecursionError):
        held = None
    found = held if isinstance(held, dict) else {}
    return str(found.get("code") or ""), str(found.get("user") or "")


def linked(user: User) -> View:
    return modal(
        title="Account linked",
        close="Done",
        blocks=[
            header("Your account is linked"),
            said(f"In Slack you act as {user.email}, with the role {ROLES[user.role]}."),
            context(plain_text(LATER)),
        ],
    )


def _left_behind(former: User, open_tickets: int) -> str:
    said = (
        f"Until now you are linked to {former.email}. That account keeps its tickets, but you no "
        "longer act as it here, and its messages no longer reach you."
    )
    still = still_assigned(open_tickets, "it") if open_tickets else ""
    return f"{said} {still}".strip()
