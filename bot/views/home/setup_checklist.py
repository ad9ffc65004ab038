"""The steps of an admin's first day, on the first page of Home."""

from bot.views import ids
from bot.views.blocks import actions, button, context, header, section
from bot.views.text import Block, escape, mrkdwn, plain_text
from services.home.setup_checklist import SetupChecklist

DONE, OPEN = ":white_check_mark:", ":white_large_square:"


def setup_blocks(checklist: SetupChecklist, *, app_name: str) -> list[Block]:
    """Return each step with its state, and a button or the next thing to do on the server."""
    return [
        {"type": "divider"},
        header(f"Set up {app_name}"),
        context(plain_text(f"{checklist.done_count} of 4 steps done")),
        _step(
            checklist.business_hours,
            "Business hours and time zone",
            "Due dates count in them. Until you set them, they are Monday to Friday, 09:00 to "
            "17:00 UTC.",
            button("Set business hours", ids.OPEN_BUSINESS_HOURS, "all"),
        ),
        _step(
            checklist.moderator,
            "A moderator",
            "Tickets go to moderators. Without one, they go to you and the other admins.",
            button("Add moderator", ids.OPEN_MODERATOR, "new"),
        ),
        _step(
            checklist.triage_channel,
            "A triage channel",
            "It shows a card for each ticket.",
            button("Choose channel", ids.OPEN_SLACK_SETTINGS, "all"),
        ),
        _step(
            checklist.ai_key,
            "An AI key",
            "With one, Gemini analyses each ticket; without, skills are matched by their words. "
            f"Set `GEMINI_API_KEY`, and restart {escape(app_name)}.",
        ),
        actions(button("Hide these steps", ids.HIDE_SETUP, "own")),
    ]


def _step(is_done: bool, title: str, next_step: str, press: Block | None = None) -> Block:
    if is_done:
        return section(mrkdwn(f"{DONE} {title}"))
    text = mrkdwn(f"{OPEN} *{title}*\n{next_step}")
    return section(text, accessory=press) if press else section(text)
