"""Who could take a ticket, as the options of a menu."""

from collections.abc import Sequence

from bot.views.inputs import OPTION_TEXT_MAX, option
from bot.views.text import Block, plain_text, truncate
from services.assignment.assignee_options import AssigneeOption
from services.assignment.candidate import Obstacle
from services.core.text import strip_invisible

OBSTACLE = {
    Obstacle.REQUESTER: "filed it",
    Obstacle.AWAY: "away",
    Obstacle.UNLINKED: "not in Slack",
    Obstacle.FULL: "full",
    Obstacle.INACTIVE: "deactivated",
    Obstacle.DECLINED: "handed it back",
}
# Of the name at least so much is read, however much there is to say of its owner.
NAME_LEAST = 25


def fit_option(fit: AssigneeOption) -> Block:
    """For example “Nils · knows VPN · 2 of 8 open”; the value is the account's id."""
    load = f"{fit.open_tickets} of {fit.capacity} open"
    told = [load, OBSTACLE[fit.obstacle]] if fit.obstacle else [load]
    name = _name(fit)
    room = OPTION_TEXT_MAX - len(" · ".join(["", *told]))
    if fit.known_skills:
        known = f"knows {', '.join(fit.known_skills)}"
        told.insert(0, truncate(known, room - min(len(name), NAME_LEAST) - len(" · ")))
    name = truncate(name, OPTION_TEXT_MAX - len(" · ".join(["", *told])))
    return option(" · ".join([name, *told]), str(fit.user.id))


def next_best(fits: Sequence[AssigneeOption]) -> Block:
    """As radio buttons, each with what speaks for them below their name."""
    return {
        "type": "radio_buttons",
        "action_id": "nextBest",
        "options": [
            {
                **option(_name(fit), str(fit.user.id)),
                "description": plain_text(fit.reason, limit=OPTION_TEXT_MAX),
            }
            for fit in fits
        ],
    }


def _name(fit: AssigneeOption) -> str:
    return " ".join(strip_invisible(fit.user.display_name).split()) or "someone"
