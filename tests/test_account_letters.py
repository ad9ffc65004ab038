"""Letters about what is done already."""

import pytest
from bson import ObjectId

from services.account_letters import tell, tell_new_password
from services.database import Mongo, connect
from services.letters import LetterKind, Letters
from tests.conftest import NOBODY_LISTENS

USER_ID = ObjectId("65f0c0ffee65f0c0ffee0001")


def test_each_new_password_is_a_letter_of_its_own(db: Mongo) -> None:
    letters = Letters(db)
    for version in (2, 2, 3):
        tell_new_password(letters, user_id=USER_ID, token_version=version)
    kept = [(doc["kind"], doc["userId"]) for doc in db.letters.find()]
    assert kept == [(LetterKind.PASSWORD_CHANGED, USER_ID)] * 2


def test_for_want_of_a_letter_nothing_is_undone(caplog: pytest.LogCaptureFixture) -> None:
    away = connect(f"{NOBODY_LISTENS}?serverSelectionTimeoutMS=100")
    tell(Letters(away), LetterKind.WELCOME, user_id=USER_ID, key="x")
    away.client.close()
    assert caplog.messages == [
        f"no letter welcome to account {USER_ID}: ServerSelectionTimeoutError"
    ]
