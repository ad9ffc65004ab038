"""The question whether an unconfirmed account with the member's address belongs to them."""

from bot.views import ids
from bot.views.blocks import actions, button, mrkdwn_section, text_section
from bot.views.text import Block, Message, escape, plain_text
from services.models.user import User


def claim_event(claim: User, *, slack_user_id: str) -> str:
    """Return what the stored message is found by, as the event it answers."""
    return f"{claim.id}:{slack_user_id}"


def merge_note(claim: User) -> str:
    return (
        f"On the page, sign in with {claim.email} and the password of your older account. Your "
        "tickets move to it."
    )


def claim_message(claim: User) -> Message:
    return Message(
        text=f"Another account has your address {escape(claim.email)}. Is it yours?",
        blocks=claim_blocks(claim),
    )


def claim_blocks(claim: User) -> list[Block]:
    disown = button("It's not mine", ids.CLAIM_DISOWN, str(claim.id))
    disown["confirm"] = {
        "title": plain_text("Close that account?"),
        "text": plain_text(
            "No one can sign in to it any more. Its tickets stay, marked as filed before your "
            "address was confirmed."
        ),
        "confirm": plain_text("Close it"),
        "deny": plain_text("Cancel"),
        "style": "danger",
    }
    text = (
        f"*Another account has your address {escape(claim.email)}.* It was created on the "
        "sign-up page, and the address was never confirmed. Is that account yours, too?"
    )
    return [
        mrkdwn_section(text),
        actions(button("It's mine", ids.CLAIM_OWN, str(claim.id)), disown),
    ]


def disowned_message(email: str) -> Message:
    text = (
        f"You said that the older account of {email} is not yours. It is closed, and its tickets "
        "are marked. You keep your account in Slack."
    )
    return Message(text=escape(text), blocks=[text_section(text)])


def merged_message(email: str) -> Message:
    text = (
        f"You linked your older account {email}. The tickets you filed in the meantime move to it."
    )
    return Message(text=escape(text), blocks=[text_section(text)])
