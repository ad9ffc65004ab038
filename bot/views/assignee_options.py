"""Possible assignees of a ticket, as menu options and radio buttons."""

from collections.abc import Sequence

from bot.views.inputs import MAX_OPTION_TEXT_LENGTH, option
from bot.views.text import Block, plain_text
from services.assignment.candidate import Obstacle
from services.assignment.ranking import AssigneeOption
from services.core.text import strip_invisible, truncate

OBSTACLE_LABELS = {
    Obstacle.REQUESTER: "filed it",
    Obstacle.AWAY: "away",
    Obstacle.UNLINKED: "not in Slack",
    Obstacle.FULL: "full",
    Obstacle.INACTIVE: "deactivated",
    Obstacle.DECLINED: "handed it back",
}
# A name keeps at least this many characters when the rest is long.
MIN_NAME_LENGTH = 25


def assignee_option(assignee: AssigneeOption) -> Block:
    """Return an option such as “Nils · knows VPN · 2 of 8 open”; its value is the account's id."""
    load = f"{assignee.open_tickets} of {assignee.capacity} open"
    parts = [load, OBSTACLE_LABELS[assignee.obstacle]] if assignee.obstacle else [load]
    name = _name(assignee)
    available_length = MAX_OPTION_TEXT_LENGTH - len(" · ".join(["", *parts]))
    if assignee.known_skills:
        skills_text = f"knows {', '.join(assignee.known_skills)}"
        parts.insert(
            0,
            truncate(skills_text, available_length - min(len(name), MIN_NAME_LENGTH) - len(" · ")),
        )
    name = truncate(name, MAX_OPTION_TEXT_LENGTH - len(" · ".join(["", *parts])))
    return option(" · ".join([name, *parts]), str(assignee.user.id))


def suggested_assignee_radios(suggestions: Sequence[AssigneeOption]) -> Block:
    """Return radio buttons, each with the reason for the suggestion below the name."""
    return {
        "type": "radio_buttons",
        "action_id": "nextBest",
        "options": [
            {
                **option(_name(assignee), str(assignee.user.id)),
                "description": plain_text(assignee.reason, limit=MAX_OPTION_TEXT_LENGTH),
            }
            for assignee in suggestions
        ],
    }


def _name(assignee: AssigneeOption) -> str:
    return " ".join(strip_invisible(assignee.user.display_name).split()) or "someone"
