"""The account of a member: the summary that `/account` shows, the modal to unlink it, and the
notice of a change to its owner."""

from bot.views import ids
from bot.views.blocks import actions, button, context, header
from bot.views.inputs import View, modal
from bot.views.modals.person import ROLE_LABELS
from bot.views.text import Block, Message, escape, mrkdwn, plain_text, truncate
from services.linking.unlink import UnlinkPreview
from services.models.user import Role, User

# Escaped, a character may be five, and Slack takes 2,000 in a field.
MAX_NAME_LENGTH, MAX_EMAIL_LENGTH, MAX_SKILLS_LENGTH = 80, 300, 300


def account_summary(user: User, *, slack_user_id: str, app_url: str | None) -> Message:
    """The account that a member acts as."""
    facts = {
        "Name": escape(truncate(user.name or "not set", MAX_NAME_LENGTH)),
        "Email": escape(truncate(user.email or "none", MAX_EMAIL_LENGTH)),
        "Role": ROLE_LABELS[user.role],
        "Skills": escape(truncate(", ".join(user.skills), MAX_SKILLS_LENGTH)) or "none",
        "Linked to": f"<@{slack_user_id}>",
    }
    page = f"{app_url}/profile" if app_url else ""
    blocks = [
        header("Your account"),
        {
            "type": "section",
            "fields": [mrkdwn(f"*{label}*\n{fact}") for label, fact in facts.items()],
        },
        *([context(mrkdwn(f"Password and sessions: <{escape(page)}>"))] if page else []),
        actions(
            button("Edit profile", ids.OPEN_PROFILE, "own"),
            *_availability(user),
            button("Link another account", ids.OPEN_LINK, "another"),
            button("Unlink", ids.OPEN_UNLINK, str(user.id)),
        ),
    ]
    return Message(
        text=f"Your account: {escape(user.email)}, {ROLE_LABELS[user.role]}", blocks=blocks
    )


def _availability(user: User) -> list[Block]:
    """For whoever tickets are assigned to."""
    if user.role is Role.USER:
        return []
    return [button("My availability", ids.OPEN_AVAILABILITY, "own")]


def unlink_modal(preview: UnlinkPreview) -> View:
    """Asked once more, with what follows from it."""
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
        close="Keep it",
        private_metadata=str(user.id),
        blocks=blocks,
    )


def unlinked_modal(user: User) -> View:
    return modal(
        title="Account unlinked",
        close="Done",
        blocks=[
            text_section(f"You are no longer linked to {user.email}."),
            context(plain_text("Type /account to link an account again.")),
        ],
    )


def code_used_warning(email: str, *, by: str) -> Message:
    """For the member whom an account is linked to: somebody else knew a code of theirs."""
    text = (
        f"<@{by}> typed a one-time code of your account {escape(email)} into Slack, to link it. "
        "It was refused, because the account is linked to you. Was that not you? Then somebody "
        "can sign in as you: change your password on the page."
    )
    return Message(text=text, blocks=[{"type": "section", "text": mrkdwn(text)}])


def unlinked_message(email: str) -> Message:
    """For a member whose link was ended on the page."""
    text = (
        f"Your account {escape(email)} was unlinked from you on its page. Type /account to link "
        "one again. Was that not you? Then change your password on the page."
    )
    return Message(text=text, blocks=[{"type": "section", "text": mrkdwn(text)}])


def still_assigned_text(number: int, to: str) -> str:
    """What becomes of the open tickets of whoever unlinks."""
    if number == 1:
        return f"1 open ticket is assigned to {to} and stays so until somebody else takes it."
    return f"{number} open tickets are assigned to {to} and stay so until somebody takes them."


def text_section(text: str) -> Block:
    return {"type": "section", "text": plain_text(text)}
