"""The texts of the emails, and what they must not contain."""

from dataclasses import replace

import pytest
from bson import ObjectId

from services.auth.password_reset import reset_path
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.outbox.emails import EmailKind
from tasks.email.templates import EmailContent, Link, assignment_values, link_values, render
from tests.conftest import sample_ticket

URL = "https://desk.example.com"
EMMA = User(ObjectId("65f0c0ffee65f0c0ffee0001"), "emma@example.com", Role.USER, name="Emma")
PROFILE = Link("Your profile", f"{URL}/profile")


def assigned(
    user: User, ticket: Ticket, *, requester: str = "Jo", reason: str = "knows VPN"
) -> EmailContent:
    values = assignment_values(ticket, requester=requester, reason=reason)
    return render(EmailKind.ASSIGNED, user, app_url=URL, **values)


def test_welcome() -> None:
    assert render(EmailKind.WELCOME, EMMA, app_url=URL) == EmailContent(
        "Welcome to the help desk",
        (
            "Hello Emma,",
            "You have an account at the help desk now, for the address emma@example.com.",
            "In Slack, type /account to say that it is yours, and /ticket to file a ticket.",
            PROFILE,
        ),
    )


def test_reset() -> None:
    assert render(
        EmailKind.RESET, EMMA, app_url=URL, reset_path=reset_path("s3-_cret")
    ) == EmailContent(
        "Choose a new password",
        (
            "Hello Emma,",
            "Somebody, probably you, asked for a new password for your help desk account.",
            Link("Choose a new password", f"{URL}/reset?code=s3-_cret"),
            "The link works once, and for an hour. Never pass it on: whoever has it can sign in "
            "as you.",
            "If you did not ask for it, there is nothing to do: your password stays as it is.",
        ),
    )


def test_password_changed() -> None:
    assert render(EmailKind.PASSWORD_CHANGED, EMMA, app_url=URL) == EmailContent(
        "Your password was changed",
        (
            "Hello Emma,",
            "The password of your help desk account was changed, and everybody who was signed in "
            "with the old one is signed out.",
            "If that was not you, choose a new password at once, and tell an admin of your help "
            "desk.",
            Link("Choose a new password", f"{URL}/forgot"),
        ),
    )


def test_linked() -> None:
    assert render(EmailKind.LINKED, EMMA, app_url=URL, **link_values("Emma P.")) == EmailContent(
        "Your account was linked to Slack",
        (
            "Hello Emma,",
            "The Slack member “Emma P.” was linked to your help desk account, and acts as you "
            "from now on.",
            "If that was not you, change your password at once, press Unlink on your profile, and "
            "tell an admin of your help desk.",
            PROFILE,
        ),
    )


def test_unlinked() -> None:
    assert render(EmailKind.UNLINKED, EMMA, app_url=URL, **link_values("")) == EmailContent(
        "Your account was unlinked from Slack",
        (
            "Hello Emma,",
            "A Slack member is no longer linked to your help desk account. Your tickets stay as "
            "they are. In Slack, /account links an account again.",
            "If that was not you, tell an admin of your help desk.",
            PROFILE,
        ),
    )


def test_assigned() -> None:
    ticket = sample_ticket(title="VPN drops")
    assert assigned(EMMA, ticket) == EmailContent(
        "Ticket 12 is yours: VPN drops",
        (
            "Hello Emma,",
            "Ticket 12 is assigned to you:",
            "“VPN drops”",
            "Filed by Jo. Why you: knows VPN.",
            "To work on it, open Slack: type /ticket view 12, or open the app's Home.",
        ),
    )


def test_a_ticket_without_a_number() -> None:
    ticket = sample_ticket(number=None, title="VPN drops")
    said = assigned(EMMA, ticket)
    assert said.subject == "A ticket is yours: VPN drops"
    assert said.body[1] == "A ticket is assigned to you:"
    assert said.body[-1] == "To work on it, open Slack: open the app's Home."


def test_without_pages_no_email_has_a_link() -> None:
    values = {"reset_path": "/x", "member": "Jo", "title": "x", "requester": "Jo"}
    values |= {"name": "Ticket 1", "reason": "x", "find": ""}
    emails = [render(kind, EMMA, app_url=None, **values) for kind in EmailKind]
    assert [part for email in emails for part in email.body if isinstance(part, Link)] == []


@pytest.mark.parametrize("name", [None, "", " \n", "\u202e\u200b"])
def test_who_has_no_name_is_greeted_all_the_same(name: str | None) -> None:
    assert render(EmailKind.WELCOME, replace(EMMA, name=name), app_url=URL).body[0] == "Hello,"


def test_what_people_wrote_is_one_line_and_not_longer_than_needed() -> None:
    named = replace(EMMA, name="Em\r\nBcc: all@example.com" + "a" * 200)
    ticket = sample_ticket(title="VPN\r\nBcc: all@example.com\u202e " + "x" * 10_000)
    said = assigned(named, ticket, requester="Jo\nFrom", reason="knows\nVPN")
    assert said.subject.startswith("Ticket 12 is yours: VPN Bcc: all@example.com xxx")
    assert said.subject.endswith("x…")
    assert len(said.subject) == len("Ticket 12 is yours: ") + 150
    assert said.body[0] == "Hello Em Bcc: all@example.com" + "a" * 56 + "…,"
    assert said.body[3] == "Filed by Jo From. Why you: knows VPN."


def test_what_is_for_moderators_in_slack_is_not_in_the_mail() -> None:
    ticket = sample_ticket(
        summary="canary summary",
        helpful_notes="canary notes",
        description="canary description",
        assignment={"analysis": {"notes": "canary"}},
    )
    assert "canary" not in repr(assigned(EMMA, ticket))
