"""A member's account: the answer to /account, the modals to link and unlink it, and warnings."""

import json
from typing import Any

from bot.views import ids
from bot.views.blocks import (
    actions,
    button,
    context,
    fields_section,
    header,
    mrkdwn_section,
    text_section,
)
from bot.views.inputs import View, modal, text_input
from bot.views.messages.address_claim import claim_blocks
from bot.views.modals.person import ROLE_LABELS
from bot.views.text import Block, Message, escape, mrkdwn, plain_text
from services.core.text import truncate
from services.linking.account_linking import LinkPreview, UnlinkPreview
from services.models.user import Role, User

# Escaping makes up to five characters of one, and a field has at most 2,000.
MAX_NAME_LENGTH, MAX_EMAIL_LENGTH, MAX_SKILLS_LENGTH = 80, 300, 300
MAX_CODE_LENGTH = 40  # longer than a code, which may be typed with spaces
NO_APP_URL = (
    "Accounts cannot be linked yet, because the page for it has no address. Ask an admin of this "
    "app to set APP_URL."
)
LINK_STEPS = (
    "1. Open the page, and sign in or sign up there.",
    "2. It shows a one-time code. Type it here.",
)
BY_EMAIL = "use the account of your Slack email address"
CODE_WARNING = "Never type a code that someone else gave you, and never share yours."
DIFFERENT_EMAIL = "This is not the address you have in Slack."
ACCOUNT_HELP = "Type /account whenever you want to change something."


def account_summary(
    user: User, *, slack_user_id: str, app_url: str | None, claim: User | None = None
) -> Message:
    """`claim` is an unconfirmed account with the user's address."""
    facts = {
        "Name": escape(truncate(user.name or "not set", MAX_NAME_LENGTH)),
        "Email": escape(truncate(user.email or "none", MAX_EMAIL_LENGTH)),
        "Role": ROLE_LABELS[user.role],
        **_skills(user),
        "Linked to": f"<@{slack_user_id}>",
    }
    page = f"{app_url}/profile" if app_url else ""
    blocks = [
        header("Your account"),
        fields_section(facts),
        *([context(mrkdwn(f"Password and sessions: <{escape(page)}>"))] if page else []),
        actions(
            button("Edit profile", ids.OPEN_PROFILE, "own"),
            *_availability(user),
            button("Link another account", ids.OPEN_LINK, "another"),
            button("Unlink", ids.OPEN_UNLINK, str(user.id)),
        ),
        *(claim_blocks(claim) if claim else []),
    ]
    return Message(
        text=f"Your account: {escape(user.email)}, {ROLE_LABELS[user.role]}", blocks=blocks
    )


def _skills(user: User) -> dict[str, str]:
    """Only people who work on tickets have skills."""
    if user.role is Role.USER:
        return {}
    return {"Skills": escape(truncate(", ".join(user.skills), MAX_SKILLS_LENGTH)) or "none"}


def _availability(user: User) -> list[Block]:
    if user.role is Role.USER:
        return []
    return [button("My availability", ids.OPEN_AVAILABILITY, "own")]


def unlink_modal(preview: UnlinkPreview) -> View:
    """Ask for confirmation, and say what follows from it."""
    user = preview.user
    blocks = [
        header("Unlink your account?"),
        text_section(
            f"You no longer act as {user.email}. The account and its tickets stay, but their "
            "messages no longer reach you here."
        ),
    ]
    if preview.open_ticket_count:
        blocks.append(text_section(still_assigned_text(preview.open_ticket_count, "you")))
    if preview.can_relink_by_email:
        back = "Type /account to link it again by your Slack email address."
    else:
        back = "Type /account to link it again by a one-time code."
    blocks.append(context(plain_text(back)))
    return modal(
        callback_id=ids.UNLINK_ACCOUNT,
        title="Unlink",
        submit="Unlink",
        private_metadata=str(user.id),
        blocks=blocks,
    )


def unlinked_modal(user: User) -> View:
    return modal(
        title="Account unlinked",
        blocks=[
            text_section(f"You are no longer linked to {user.email}."),
            context(plain_text("Type /account to link an account again.")),
        ],
    )


def code_used_warning(email: str, *, by: str) -> Message:
    """For the member an account is linked to: another member entered one of their codes."""
    text = (
        f"<@{by}> tried to link your account {escape(email)} with a one-time code. It was refused, "
        "because the account is linked to you. If that was not you, someone can sign in as you: "
        "change your password on the page."
    )
    return Message(text=text, blocks=[mrkdwn_section(text)])


def unlinked_message(email: str) -> Message:
    """For the member that an account was unlinked from, on the page."""
    text = (
        f"Your account {escape(email)} was unlinked from you on its page. Type /account to link "
        "one again. If that was not you, change your password on the page."
    )
    return Message(text=text, blocks=[mrkdwn_section(text)])


def still_assigned_text(number: int, to: str) -> str:
    """Say what happens to the open tickets after unlinking."""
    if number == 1:
        return f"1 open ticket is assigned to {to} and stays so until someone else takes it."
    return f"{number} open tickets are assigned to {to} and stay so until someone takes them."


def link_account_modal(*, app_url: str | None, can_link_by_email: bool, note: str = "") -> View:
    """Ask for the code that the page shows; optional if `can_link_by_email`.

    The page's address is shown as text as well, to open it on another device.
    """
    if not app_url and not can_link_by_email:
        return modal(title="Link an account", blocks=[text_section(NO_APP_URL)])
    blocks = [text_section(note)] if note else []
    if app_url:
        blocks += _code_blocks(f"{app_url}/link", can_link_by_email=can_link_by_email)
    else:
        blocks.append(text_section(f"Press Link to {BY_EMAIL}."))
    return modal(
        callback_id=ids.LINK_ACCOUNT,
        title="Link an account",
        submit="Link",
        blocks=blocks,
    )


def _code_blocks(url: str, *, can_link_by_email: bool) -> list[Block]:
    page_button = {
        "type": "button",
        "action_id": ids.LINK_PAGE,
        "text": plain_text("Open the page"),
        "url": url,
        "style": "primary",
    }
    hint = CODE_WARNING
    if can_link_by_email:
        hint += f" Or leave this empty, to {BY_EMAIL}."
    return [
        text_section("\n".join(LINK_STEPS)),
        actions(page_button),
        context(plain_text(url)),
        text_input(
            "code",
            "One-time code",
            max_length=MAX_CODE_LENGTH,
            optional=can_link_by_email,
            hint=hint,
            placeholder="7KQ2M-9XV4D",
        ),
    ]


def confirm_link_modal(offer: LinkPreview, *, slack_user_id: str) -> View:
    """Ask for confirmation, and name the account: the code may be another person's."""
    blocks = [header(f"Link to {offer.email}?")]
    if not offer.is_slack_address:  # masked addresses may look the same
        blocks.append(text_section(DIFFERENT_EMAIL))
    blocks.append(
        text_section(
            "If that is not your own address, press Cancel. Otherwise its owner reads the tickets "
            "that you file."
        )
    )
    if offer.previous_user:
        text = (
            _merge_text(offer)
            if offer.is_merge
            else _former_account_text(offer.previous_user, offer.open_ticket_count)
        )
        blocks.append(text_section(text))
    return modal(
        callback_id=ids.CONFIRM_LINK,
        title="Link an account",
        submit="Link",
        # Slack stores the id of the code, never the code.
        private_metadata=json.dumps({"code": offer.code_id, "user": slack_user_id}),
        blocks=blocks,
    )


def parse_confirm_metadata(metadata: str) -> tuple[str, str]:
    """Return the code's id and the member's; empty if `confirm_link_modal` did not write it."""
    try:
        data: Any = json.loads(metadata or "null")
    except (ValueError, RecursionError):
        data = None
    fields = data if isinstance(data, dict) else {}
    return str(fields.get("code") or ""), str(fields.get("user") or "")


def linked_modal(user: User) -> View:
    return modal(
        title="Account linked",
        blocks=[
            header("Your account is linked"),
            text_section(
                f"In Slack, you now use the account {user.email} ({ROLE_LABELS[user.role]})."
            ),
            context(plain_text(ACCOUNT_HELP)),
        ],
    )


def _merge_text(offer: LinkPreview) -> str:
    """Say what happens to the account that the member has in Slack now."""
    text = "The tickets you filed in Slack in the meantime move to this account."
    if offer.moved_role:
        text += f" So does your role, {ROLE_LABELS[offer.moved_role]}."
    if offer.ends_password:
        text += (
            " The password of this account stops working: set a new one with “Forgot your "
            "password?” on the page."
        )
    return text


def _former_account_text(former: User, open_tickets: int) -> str:
    text = (
        f"You are now linked to {former.email}. That account keeps its tickets, but you no "
        "longer act as it here, and its messages no longer reach you."
    )
    tickets_text = still_assigned_text(open_tickets, "it") if open_tickets else ""
    return f"{text} {tickets_text}".strip()
