"""Home's screen of people, for admins."""

from typing import Any

from bot.views import ids
from bot.views.blocks import actions, button, context, header
from bot.views.due_text import away
from bot.views.modals.person import ROLES
from bot.views.text import Block, escape, mrkdwn, plain_text, truncate
from services.accounts.account_search import AccountCursor
from services.home.home_service import PeoplePage
from services.home.sessions import Screen
from services.models.user import Role, User

View = dict[str, Any]

NAME_MAX, EMAIL_MAX, SKILLS_MAX = 80, 100, 300
NOBODY = "Nobody has a name or an address that begins like that. Search for something else."
NOT_LINKED = "not seen in Slack yet"


def roster(content: PeoplePage) -> View:
    page = content.page
    search = page.cursor.search
    buttons = [
        button("Back", ids.HOME_BACK, Screen().encode()),
        button("Search", ids.OPEN_SEARCH, _at(page.cursor), primary=True),
    ]
    if search:
        buttons.append(button("Show everybody", ids.HOME_PEOPLE, _at(AccountCursor())))
    blocks = [header("People"), actions(*buttons)]
    if search:
        blocks.append(context(plain_text(f"Found for “{search}”")))
    for user in page.users:
        blocks += _row(user, content)
    if not page.users:
        blocks.append({"type": "section", "text": plain_text(NOBODY)})
    ways = (("Previous", ids.PEOPLE_BACK, page.previous), ("Next", ids.PEOPLE_ON, page.next))
    turning = [button(label, action, _at(to)) for label, action, to in ways if to]
    if turning:
        blocks.append(actions(*turning))
    return {"type": "home", "blocks": blocks}


def _at(place: AccountCursor) -> str:
    return Screen(people=place).encode()


def _row(user: User, content: PeoplePage) -> list[Block]:
    name = truncate(user.display_name, NAME_MAX)
    told = [f"*{ROLES[user.role]}*"]
    if not user.active:
        told.append("*deactivated*")
    if user.id not in content.slack_ids:
        told.append(NOT_LINKED)
    if user.away_until and user.away_until > content.now:
        told.append(away(user.away_until))
    told.append(f"capacity {user.capacity}")
    skills = truncate(", ".join(user.skills), SKILLS_MAX)
    told.append(f"knows {escape(skills)}" if skills else "no skills")
    name_of = f"Availability of {name}"
    here = button("Availability", ids.OPEN_AVAILABILITY, str(user.id))
    more = actions({**here, "accessibility_label": truncate(name_of, 75)})
    return [
        {
            "type": "section",
            "block_id": f"person:{user.id}",
            "text": plain_text(f"{name} · {truncate(user.email or 'no email address', EMAIL_MAX)}"),
            "accessory": {
                **button("Edit", ids.OPEN_PERSON, str(user.id)),
                "accessibility_label": truncate(f"Edit {name}", 75),
            },
        },
        context(mrkdwn(" · ".join(told))),
        *([more] if user.active and user.role is not Role.USER else []),
    ]
