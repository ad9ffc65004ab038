"""How people are named."""

from bson import ObjectId

from bot.views.text import Person, cut
from services.directory import Directory

# Slack's own limit for a real name is 80; the predecessor's accounts know none.
NAME_MAX = 80


def person(directory: Directory, user_id: ObjectId | str | None) -> Person:
    """Whoever has no account any more has left; None is nobody."""
    user = directory.users.get(user_id) if isinstance(user_id, ObjectId) else None
    if user is None:
        return Person("someone who has left" if user_id else "nobody")
    name = " ".join(user.display_name.split())  # one line: it stands within sentences
    return Person(cut(name, NAME_MAX), directory.slack_ids.get(user.id))
