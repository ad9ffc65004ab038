"""Emails about account changes that are already stored."""

import pytest
from bson import ObjectId

from services.core.database import Mongo, connect
from services.outbox.emails import EmailKind, Emails, queue_account_email, queue_new_password_email
from tests.conftest import NOBODY_LISTENS

USER_ID = ObjectId("65f0c0ffee65f0c0ffee0001")


def test_each_new_password_is_an_email_of_its_own(db: Mongo) -> None:
    emails = Emails(db)
    for version in (2, 2, 3):
        queue_new_password_email(emails, user_id=USER_ID, token_version=version)
    kept = [(doc["kind"], doc["userId"]) for doc in db.letters.find()]
    assert kept == [(EmailKind.PASSWORD_CHANGED, USER_ID)] * 2


def test_a_failed_email_undoes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    away = connect(f"{NOBODY_LISTENS}?serverSelectionTimeoutMS=100")
    queue_account_email(Emails(away), EmailKind.WELCOME, user_id=USER_ID, key="x")
    away.client.close()
    assert caplog.messages == [
        f"no letter welcome to account {USER_ID}: ServerSelectionTimeoutError"
    ]
