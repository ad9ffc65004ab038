"""The name and picture under which the bot posts what a person wrote elsewhere.

It needs the scope chat:write.customize. https://docs.slack.dev/reference/methods/chat.postMessage
"""

import unicodedata
from dataclasses import dataclass

from bot.views.text import DisplayPerson
from services.core.slack_scopes import granted_scopes
from services.core.text import strip_invisible, truncate
from services.team_settings.app_name import app_name
from tasks.notifications.slack_delivery import call_slack
from tasks.runtime import Runtime

SCOPE = "chat:write.customize"
MAX_NAME_LENGTH = 80
# Names of Slack's own messages.
_RESERVED = ("slack", "slackbot")


@dataclass(frozen=True, slots=True)
class MessageAuthor:
    """`icon_url` is "" if there is no picture: Slack then shows the app's."""

    name: str
    icon_url: str = ""


def message_author(runtime: Runtime, person: DisplayPerson) -> MessageAuthor | None:
    """Return None if the message has to be in the bot's own name: without the scope, and for a name
    that readers would take for the app's or Slack's, or Slack for its markup."""
    if SCOPE not in granted_scopes(runtime.db):
        return None
    name = truncate(" ".join(strip_invisible(person.name).split()), MAX_NAME_LENGTH)
    reserved = map(_letters, (*_RESERVED, app_name(runtime.db)))
    if not _letters(name) or _letters(name) in reserved or "<" in name:
        return None
    return MessageAuthor(name, _picture(runtime, person.slack_user_id))


def _letters(name: str) -> str:
    """Return what is left of a name that looks the same to a reader."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(one for one in folded if one.isalnum())


def _picture(runtime: Runtime, slack_user_id: str | None) -> str:
    if slack_user_id is None:
        return ""
    slack = runtime.slack
    outcome = call_slack(lambda: slack.users_info(user=slack_user_id))
    user = outcome.answer.get("user") if outcome.answer else None
    url = str(((user or {}).get("profile") or {}).get("image_72") or "")
    return url if url.startswith("https://") else ""
