"""Letters about what an account's owner, or somebody in their name, has just done."""

import logging

from bson import ObjectId
from pymongo.errors import PyMongoError

from services.letters import LetterKind, Letters

logger = logging.getLogger(__name__)


def tell(letters: Letters, kind: LetterKind, *, user_id: ObjectId, key: str) -> None:
    """Post it. What it tells of is done by now, and must not look undone for want of a letter."""
    try:
        letters.post(kind, user_id=user_id, key=key)
    except PyMongoError as error:
        logger.warning("no letter %s to account %s: %s", kind, user_id, type(error).__name__)


def tell_new_password(letters: Letters, *, user_id: ObjectId, token_version: int) -> None:
    key = f"{user_id}:{token_version}"
    tell(letters, LetterKind.PASSWORD_CHANGED, user_id=user_id, key=key)
