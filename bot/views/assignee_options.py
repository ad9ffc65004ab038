"""Who could take a ticket, as the options of a menu."""

from collections.abc import Sequence

from bot.views.inputs import MAX_OPTION_TEXT_LENGTH, option
from bot.views.text import Block, plain_text, truncate
from services.assignment.candidate import Obstacle
from services.assignment.ranking import AssigneeOption
from services.core.text import strip_invisible

OBSTACLE_LABELS = {
    Obstacle.REQUESTER: "filed it",
    Obstacle.AWAY: "away",
    Obstacle.UNLINKED: "not in Slack",
    Obstacle.FULL: "full",
    Obstacle.INACTIVE: "deactivated",
    Obstacle.DECLINED: "handed it back",
}
# Of the name at least so much is read, however much there is to say of its owner.
MIN_NAME_LENGTH = 25


def assignee_option(assignee: AssigneeOption) -> Block:
    """For example “Nils · knows VPN · 2 of 8 open”; the value is the account's id."""
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
    """As radio buttons, each with what speaks for them below their name."""
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
