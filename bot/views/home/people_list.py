"""The People page in Home, for admins."""

from bot.views import ids
from bot.views.blocks import actions, button, context, header, page_buttons, section, text_section
from bot.views.due_text import away_phrase
from bot.views.inputs import View
from bot.views.modals.person import ROLE_LABELS
from bot.views.text import Block, escape, mrkdwn, plain_text
from services.accounts.account_search import AccountCursor
from services.core.text import truncate
from services.home.home_service import PeoplePage
from services.home.sessions import Screen
from services.models.user import User, can_work_on_tickets

MAX_NAME_LENGTH, MAX_EMAIL_LENGTH, MAX_SKILLS_LENGTH = 80, 100, 300
NO_MATCH = "No name or address begins like that. Search for something else."
NOT_LINKED = "not linked to Slack yet"


def people_page(content: PeoplePage) -> View:
    page = content.page
    search = page.cursor.search
    buttons = [
        button("Back", ids.HOME_BACK, Screen().encode()),
        button("Search", ids.OPEN_SEARCH, _screen_value(page.cursor), primary=True),
        button("Add moderator", ids.OPEN_MODERATOR, "new"),
    ]
    if search:
        buttons.append(button("Show everyone", ids.HOME_PEOPLE, _screen_value(AccountCursor())))
    blocks = [header("People"), actions(*buttons)]
    if search:
        blocks.append(context(plain_text(f"Found for “{search}”")))
    for user in page.users:
        blocks += _person_rows(user, content)
    if not page.users:
        blocks.append(text_section(NO_MATCH))
    previous, following = (_screen_value(to) if to else None for to in (page.previous, page.next))
    blocks += page_buttons(
        ("Previous", ids.PEOPLE_PREVIOUS, previous), ("Next", ids.PEOPLE_NEXT, following)
    )
    return {"type": "home", "blocks": blocks}


def _screen_value(cursor: AccountCursor) -> str:
    return Screen(people=cursor).encode()


def _person_rows(user: User, content: PeoplePage) -> list[Block]:
    name = truncate(user.display_name, MAX_NAME_LENGTH)
    facts = [f"*{ROLE_LABELS[user.role]}*"]
    if not user.active:
        facts.append("*deactivated*")
    if user.id not in content.slack_ids:
        facts.append(NOT_LINKED)
    if user.away_until and user.away_until > content.now:
        facts.append(away_phrase(user.away_until))
    facts.append(f"capacity {user.capacity}")
    skills = truncate(", ".join(user.skills), MAX_SKILLS_LENGTH)
    facts.append(f"knows {escape(skills)}" if skills else "no skills")
    email = truncate(user.email or "no email address", MAX_EMAIL_LENGTH)
    edit, availability = (
        {**button(label, action_id, str(user.id)), "accessibility_label": truncate(spoken, 75)}
        for label, action_id, spoken in (
            ("Edit", ids.OPEN_PERSON, f"Edit {name}"),
            ("Availability", ids.OPEN_AVAILABILITY, f"Availability of {name}"),
        )
    )
    buttons = [edit, availability] if can_work_on_tickets(user) else [edit]
    return [
        {"type": "divider"},
        section(plain_text(f"{name} · {email}"), block_id=f"person:{user.id}"),
        context(mrkdwn(" · ".join(facts))),
        actions(*buttons),
    ]
