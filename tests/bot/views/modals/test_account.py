"""Limits of the account views; tests/bot/handlers/test_account.py tests their texts."""

from typing import Any

import pytest
from bson import ObjectId

from bot.views.modals import account
from services.linking.account_linking import LinkPreview, UnlinkPreview, mask_email
from services.models.user import Role, User
from tests.support.blockkit import check_message, check_view

NASTY = "<!channel> & <https://evil.example|Sign in> *b* &&&&&&&&&&&&&&&&&&&&&&&&&&&&&&"


def somebody(**fields: Any) -> User:
    long = {"name": NASTY * 50, "email": f"{NASTY}{'x' * 200}@{'y' * 250}.example"}
    skills = tuple(f"{NASTY}{number}" for number in range(100))
    return User(**{"id": ObjectId(), "role": Role.ADMIN, "skills": skills, **long, **fields})


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("app_url", [None, "https://help.example.com", "http://127.0.0.1:5000"])
def test_the_summary_holds_the_longest_account(role: Role, app_url: str | None) -> None:
    shown = account.account_summary(somebody(role=role), slack_user_id="U0JO", app_url=app_url)
    assert check_message(shown.as_args()) == []
    assert "<!channel>" not in str(shown)
    assert "<https://evil" not in str(shown)


def test_an_empty_account_has_a_summary() -> None:
    nobody = User(id=ObjectId(), email="", role=Role.USER)
    shown = account.account_summary(nobody, slack_user_id="U0JO", app_url=None)
    assert check_message(shown.as_args()) == []


@pytest.mark.parametrize("by_address", [True, False])
@pytest.mark.parametrize("app_url", [None, "https://help.example.com"])
def test_every_form_is_one_slack_takes(app_url: str | None, by_address: bool) -> None:
    form = account.link_account_modal(app_url=app_url, can_link_by_email=by_address, note=NASTY)
    assert check_view(form) == []


@pytest.mark.parametrize("former", [None, somebody()])
def test_every_question_is_one_slack_takes(former: User | None) -> None:
    email = mask_email(somebody().email)
    offer = LinkPreview(
        code_id="f" * 64,
        email=email,
        is_slack_address=former is None,
        previous_user=former,
        open_ticket_count=10**9,
    )
    view = account.confirm_link_modal(offer, slack_user_id="U0JO")
    assert check_view(view) == []
    assert account.parse_confirm_metadata(view["private_metadata"]) == ("f" * 64, "U0JO")
    assert (account.DIFFERENT_EMAIL in str(view)) is not offer.is_slack_address


@pytest.mark.parametrize("tickets", [0, 1, 10**9])
def test_every_end_is_one_slack_takes(tickets: int) -> None:
    user = somebody()
    for by_address in (True, False):
        assert check_view(account.unlink_modal(UnlinkPreview(user, tickets, by_address))) == []
    assert check_view(account.unlinked_modal(user)) == []
    assert check_view(account.linked_modal(user)) == []


def test_messages_hold_the_longest_address() -> None:
    email = somebody().email
    for message in (
        account.code_used_warning(email, by="U0JO"),
        account.unlinked_message(email),
    ):
        assert check_message(message.as_args()) == []
        assert "<!channel>" not in str(message)


@pytest.mark.parametrize("role", Role)
def test_availability_is_for_the_staff(role: Role) -> None:
    shown = account.account_summary(somebody(role=role), slack_user_id="U0JO", app_url=None)
    buttons = [(e["text"]["text"], e["action_id"]) for e in shown.blocks[-1]["elements"]]
    own = [] if role is Role.USER else [("My availability", "open_availability")]
    assert buttons == [
        ("Edit profile", "open_profile"),
        *own,
        ("Link another account", "open_link"),
        ("Unlink", "open_unlink"),
    ]
