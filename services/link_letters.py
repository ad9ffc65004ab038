"""Letters to an account's owner about who acts as them in Slack."""

import logging

from pymongo.errors import PyMongoError

from services.letters import LetterKind, Letters
from services.models import User

logger = logging.getLogger(__name__)


def write(
    letters: Letters, kind: LetterKind, owner: User, *, key: str, member: str | None
) -> tuple[str, ...]:
    """The ids of the letters to hint at: one, or none, for then the link or its end is done all the
    same. `member` is the Slack member's name, where it is known."""
    facts = {"slack_name": member} if member else {}
    try:
        return (letters.post(kind, user_id=owner.id, key=key, facts=facts),)
    except PyMongoError as error:
        logger.warning("no letter %s to account %s: %s", kind, owner.id, type(error).__name__)
        return ()
