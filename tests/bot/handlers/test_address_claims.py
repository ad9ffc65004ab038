"""A Slack member whose confirmed address an unconfirmed account has: the question, its answers."""

from typing import Any

import pytest

from bot.slack.client import fetch_member
from services.accounts.users import UserService
from services.auth.one_time_codes import CodeKind
from services.core.database import Mongo
from services.core.errors import Unauthenticated
from services.models.events import EventType
from services.models.permissions import OPERATOR, Actor
from services.models.user import Role, User
from services.outbox.emails import EmailKind
from services.registry.services import Services
from tasks.processes.scheduler import Scheduler
from tasks.runtime import Runtime
from tests.bot.handlers.test_account import Visitor, seen
from tests.conftest import (
    Bot,
    FixedClock,
    People,
    RecordingPublisher,
    at_once,
    file_ticket,
    reload,
    web_client,
    work,
)
from tests.support import payloads
from tests.support.block_text import read
from tests.support.canary import FILED
from tests.support.comment_helpers import card_of, event_of
from tests.support.recording_slack import RecordingSlack

Json = dict[str, Any]
JO = "U0JO"
ADDRESS = "jo@example.com"
PASSWORD = "a squatter's password"
QUESTION = (
    "*Another account has your address jo@example.com.* It was created on the sign-up page, and "
    "the address was never confirmed. Is that account yours, too?"
)
SETTLED = (
    "That account no longer has your address, or its owner has confirmed it since. Type /account "
    "to see your account."
)
DISOWNED = (
    "You said that the older account of jo@example.com is not yours. It is closed, and its tickets "
    "are marked. You keep your account in Slack."
)


@pytest.fixture
def squatter(services: Services) -> User:
    user = services.sign_in.sign_up(email=ADDRESS, password=PASSWORD, name="Jo Squat")
    services.db.letters.delete_many({})
    return user


@pytest.fixture
def jo(squatter: User, desk: Bot, slack: RecordingSlack) -> Visitor:
    slack.add_member(JO, email="Jo@Example.com", name="Jo Real")
    return Visitor(desk, slack, JO)


def files(jo: Visitor, title: str) -> None:
    """File a ticket in Slack."""
    body = payloads.slash_command(title, user=JO)
    assert jo._bot.answer(body) == {}
    assert jo.submit(title=title, description="It broke.")["response_action"] == "update"


def press(jo: Visitor, message: Json, action_id: str, claim: User) -> None:
    """Press a button of the question in the conversation with the bot."""
    assert jo._bot.answer(payloads.block_actions(message, action_id, str(claim.id), user=JO)) == {}


def question(slack: RecordingSlack) -> Json:
    [message] = [m for m in slack.messages(JO) if "address" in m["text"]]
    return message


def own(users: UserService, squatter: User) -> User:
    """The account that Jo has in Slack."""
    return next(u for u in users.find_by_email(ADDRESS) if u.id != squatter.id)


def test_the_member_works_at_once_and_is_asked_once(
    jo: Visitor, squatter: User, slack: RecordingSlack, users: UserService, db: Mongo
) -> None:
    files(jo, "Printer is broken")
    account = own(users, squatter)
    assert (account.name, account.role) == ("Jo Real", Role.USER)
    assert users.confirmation.is_confirmed(account)
    assert (db.tickets.find_one(FILED) or {})["createdBy"] == account.id
    assert read(question(slack)) == [QUESTION, "It's mine", "It's not mine", *CONFIRMATION]
    files(jo, "Printer is broken again")
    question(slack)
    assert jo.account()[-7:] == [QUESTION, "It's mine", "It's not mine", *CONFIRMATION]
    [role] = {users.update(actor=OPERATOR, email=ADDRESS, role=Role.MODERATOR).id}
    assert role == account.id


CONFIRMATION = [
    "Close that account?",
    "No one can sign in to it any more. Its tickets stay, marked as filed before your address was "
    "confirmed.",
    "Close it",
    "Cancel",
]


@pytest.mark.parametrize("is_confirmed", [False, None])
def test_an_address_that_slack_has_not_confirmed_claims_nothing(
    jo: Visitor, slack: RecordingSlack, users: UserService, is_confirmed: bool | None
) -> None:
    slack.add_member(JO, email=ADDRESS, name="Jo", is_email_confirmed=is_confirmed)
    jo._bot.answer(payloads.slash_command("Printer is broken", user=JO))
    assert len(users.find_by_email(ADDRESS)) == 1


def test_an_account_that_an_admin_deactivated_keeps_its_person_out(
    jo: Visitor, squatter: User, users: UserService, db: Mongo
) -> None:
    db.users.update_one({"_id": squatter.id}, {"$set": {"active": False}})
    jo._bot.answer(payloads.slash_command("Printer is broken", user=JO))
    assert len(users.find_by_email(ADDRESS)) == 1


def test_an_address_of_admin_emails_makes_its_owner_an_admin_all_the_same(
    services: Services, desk: Bot, slack: RecordingSlack
) -> None:
    squatter = services.sign_in.sign_up(email="boss@example.com", password=PASSWORD)
    slack.add_member(JO, email="boss@example.com", name="Boss")
    desk.answer(payloads.slash_command("list", user=JO))
    found = {user.id: user.role for user in services.users.find_by_email("boss@example.com")}
    assert found.pop(squatter.id) is Role.USER
    assert list(found.values()) == [Role.ADMIN]


def test_not_mine_closes_the_account_and_marks_its_tickets(
    jo: Visitor,
    squatter: User,
    services: Services,
    runtime: Runtime,
    publisher: RecordingPublisher,
    slack: RecordingSlack,
    nils: User,
) -> None:
    db, users = services.db, services.users
    ticket = file_ticket(services.tickets, squatter)
    publisher.publish_ticket(str(ticket.id))
    work(runtime, publisher)
    assert "From Jo Squat (not confirmed)" in str(read(card_of(slack, nils)))
    session = services.sign_in.issue_token(squatter)
    code = services.codes.issue(kind=CodeKind.LINK, user_id=squatter.id)
    db.links.insert_one(
        {"_id": "T0TEAM:U0SQ", "teamId": "T0TEAM", "slackUserId": "U0SQ", "userId": squatter.id}
    )
    files(jo, "Printer is broken")
    press(jo, question(slack), "disown_account", squatter)
    assert read(next(m for m in slack.messages(JO) if "older account" in m["text"])) == [DISOWNED]
    closed = db.users.find_one({"_id": squatter.id}) or {}
    assert "password" not in closed
    assert (closed["active"], closed["email"]) == (False, f"{squatter.id}@closed.invalid")
    with pytest.raises(Unauthenticated):
        services.sign_in.authenticate(session)
    with pytest.raises(Unauthenticated):
        services.sign_in.sign_in(email=ADDRESS, password=PASSWORD)
    assert services.codes.peek(kind=CodeKind.LINK, code=code) is None
    assert set(db.links.distinct("slackUserId")) == {JO, People.slack_id(nils)}
    account = own(users, squatter)
    [letter] = db.letters.find({"kind": EmailKind.ACCOUNT_DISOWNED})
    assert letter["userId"] == account.id
    kept = reload(db, ticket)
    assert kept.created_by == squatter.id
    assert kept.events[-1].type == EventType.REQUESTER_DISOWNED
    assert kept.events[-1].by == account.id
    shown = str(read(card_of(slack, nils)))
    assert "From Jo Squat (filed before this address was confirmed)" in shown
    assert [user.id for user in users.find_by_email(ADDRESS)] == [account.id]
    assert jo.account()[-1] == "Unlink"


def test_the_question_becomes_the_answer_and_a_stale_press_says_so(
    jo: Visitor, squatter: User, slack: RecordingSlack
) -> None:
    files(jo, "Printer is broken")
    asked = question(slack)
    jo.account()
    shown = {"ts": "1700000000.000001", "channel": asked["channel"], **jo.answer}
    url = slack.response_url()
    body = payloads.block_actions(
        shown, "disown_account", str(squatter.id), user=JO, response_url=url
    )
    body["container"]["is_ephemeral"] = True
    jo._bot.answer(body)
    [replaced] = slack.calls_to("response_url")
    assert (read(replaced.args), replaced.args["replace_original"]) == ([DISOWNED], True)
    assert read(question_after(slack, asked)) == [DISOWNED]
    press(jo, asked, "disown_account", squatter)
    assert SETTLED in str(slack.calls[-1].args)


def question_after(slack: RecordingSlack, asked: Json) -> Json:
    return next(m for m in slack.messages(JO) if m["ts"] == asked["ts"])


def test_a_confirmed_account_cannot_be_disowned(
    jo: Visitor, squatter: User, slack: RecordingSlack, services: Services
) -> None:
    files(jo, "Printer is broken")
    services.users.confirmation.record(squatter, by="self")
    press(jo, question(slack), "disown_account", squatter)
    assert SETTLED in str(slack.calls[-1].args)
    kept = services.users.get(squatter.id)
    assert kept is not None
    assert kept.active
    assert kept.has_password


def test_nobody_disowns_somebody_elses_account(
    jo: Visitor, squatter: User, slack: RecordingSlack, services: Services, nils: User
) -> None:
    files(jo, "Printer is broken")
    for other in (nils, own(services.users, squatter)):
        press(jo, question(slack), "disown_account", other)
        assert SETTLED in str(slack.calls[-1].args)
    other = services.sign_in.sign_up(email="al@example.com", password=PASSWORD)
    press(jo, question(slack), "disown_account", other)
    assert all(user.active for user in services.users.get_many({other.id, nils.id}).values())


def mine(jo: Visitor, services: Services, slack: RecordingSlack, squatter: User) -> list[str]:
    """Press "It's mine", and link by the code of the page; return the last modal's texts."""
    files(jo, "Printer is broken")
    press(jo, question(slack), "own_account", squatter)
    assert (
        "On the page, sign in with jo@example.com and the password of your older account. Your "
        "tickets move to it." in seen(slack.last_view())
    )
    return jo.links(services.codes.issue(kind=CodeKind.LINK, user_id=squatter.id))


def test_mine_links_the_older_account_and_moves_the_tickets_to_it(
    jo: Visitor,
    squatter: User,
    services: Services,
    slack: RecordingSlack,
    clock: FixedClock,
    runtime: Runtime,
    publisher: RecordingPublisher,
    nils: User,
) -> None:
    db, users = services.db, services.users
    before = file_ticket(services.tickets, squatter)
    said_so = mine(jo, services, slack, squatter)
    assert "In Slack, you now use the account jo@example.com (User)." in said_so
    linked = services.links.find_user(team_id="T0TEAM", slack_user_id=JO)
    assert linked is not None
    assert (linked.id, linked.email_confirmed_at) == (squatter.id, clock())
    [moved] = [doc for doc in db.tickets.find(FILED) if doc["_id"] != before.id]
    assert moved["createdBy"] == squatter.id
    event = moved["events"][-1]
    assert (event["type"], event["by"], event["to"]) == (
        "requester_merged",
        squatter.id,
        squatter.id,
    )
    former = db.users.find_one({"_id": event["from"]}) or {}
    assert (former["active"], former["mergedInto"]) == (False, squatter.id)
    assert [user.id for user in users.find_by_email(ADDRESS)] == [squatter.id]
    work(runtime, publisher)
    cards = [m for m in slack.messages(JO) if "Printer" in m["text"]]
    assert len(cards) == 1  # the requester's card was not posted again
    message = slack.say(cards[0]["channel"], "It hums.", user=JO, thread_ts=cards[0]["ts"])
    jo._bot.answer(event_of(message))
    assert [c["text"] for c in (db.tickets.find_one({"_id": moved["_id"]}) or {})["comments"]] == [
        "It hums."
    ]


def test_a_role_moves_along_and_ends_the_older_accounts_password(
    jo: Visitor, squatter: User, services: Services, slack: RecordingSlack
) -> None:
    """A stranger who signed up may have made the owner type their code."""
    users = services.users
    files(jo, "Printer is broken")
    users.update(actor=OPERATOR, email=ADDRESS, role=Role.ADMIN, skills=["VPN"])  # the only admin
    press(jo, question(slack), "own_account", squatter)
    jo.submit(code=services.codes.issue(kind=CodeKind.LINK, user_id=squatter.id))
    assert (
        "The tickets you filed in Slack in the meantime move to this account. So does your role, "
        "Admin. The password of this account stops working: set a new one with “Forgot your "
        "password?” on the page." in seen(slack.last_view())
    )
    jo.submit()
    linked = services.links.find_user(team_id="T0TEAM", slack_user_id=JO)
    assert linked is not None
    assert (linked.id, linked.role, linked.skills) == (squatter.id, Role.ADMIN, ("VPN",))
    assert not linked.has_password
    with pytest.raises(Unauthenticated):
        services.sign_in.sign_in(email=ADDRESS, password=PASSWORD)


def test_an_account_confirmed_since_is_merged_too_and_keeps_its_password(
    jo: Visitor, squatter: User, services: Services, slack: RecordingSlack
) -> None:
    """The owner had forgotten the password, and chose a new one by a mailed link."""
    users = services.users
    files(jo, "Printer is broken")
    users.update(actor=OPERATOR, email=ADDRESS, role=Role.MODERATOR)
    code = services.codes.issue(kind=CodeKind.RESET, user_id=squatter.id)
    services.password_resets.reset(code=code, password="the owner's own password")
    press(jo, question(slack), "own_account", squatter)
    jo.submit(code=services.codes.issue(kind=CodeKind.LINK, user_id=squatter.id))
    assert (
        "The tickets you filed in Slack in the meantime move to this account. So does your role, "
        "Moderator." in seen(slack.last_view())
    )
    jo.submit()
    [left] = users.find_by_email(ADDRESS)
    assert (left.id, left.role, left.has_password) == (squatter.id, Role.MODERATOR, True)
    assert services.sign_in.sign_in(email=ADDRESS, password="the owner's own password")
    assert (services.db.tickets.find_one(FILED) or {})["createdBy"] == squatter.id


@pytest.mark.parametrize("roles", [("moderator", "admin"), ("admin", "moderator")])
def test_the_higher_role_stays(
    jo: Visitor,
    squatter: User,
    services: Services,
    slack: RecordingSlack,
    roles: tuple[str, str],
) -> None:
    """Also if it is that of the only admin."""
    files(jo, "Printer is broken")
    for user, role in zip((own(services.users, squatter), squatter), roles, strict=True):
        services.db.users.update_one({"_id": user.id}, {"$set": {"role": role}})
    press(jo, question(slack), "own_account", squatter)
    jo.links(services.codes.issue(kind=CodeKind.LINK, user_id=squatter.id))
    [left] = services.users.find_by_email(ADDRESS)
    assert (left.id, left.role, left.has_password) == (squatter.id, Role.ADMIN, True)


def test_a_code_of_another_address_merges_nothing(
    jo: Visitor, squatter: User, services: Services, slack: RecordingSlack
) -> None:
    other = services.sign_in.sign_up(email="al@example.com", password=PASSWORD)
    files(jo, "Printer is broken")
    account = own(services.users, squatter)
    press(jo, question(slack), "own_account", squatter)
    jo.links(services.codes.issue(kind=CodeKind.LINK, user_id=other.id))
    kept = services.users.get(account.id)
    assert kept is not None
    assert kept.active
    assert not services.users.confirmation.is_confirmed(services.users.get(other.id) or other)
    assert (services.db.tickets.find_one(FILED) or {})["createdBy"] == account.id


@pytest.mark.parametrize("is_deactivated", [False, True])
def test_what_a_dead_process_left_is_continued(
    jo: Visitor, squatter: User, services: Services, clock: FixedClock, is_deactivated: bool
) -> None:
    """The bot died between moving the link and merging, or within the merge."""
    db, claims = services.db, services.address_claims
    files(jo, "Printer is broken")
    account = own(services.users, squatter)
    claims.prepare_merge(account, into=squatter)
    assert claims.accounts_to_close() == [account.id]
    db.links.update_one({}, {"$set": {"userId": squatter.id}})
    db.users.update_one({"_id": account.id}, {"$set": {"active": not is_deactivated}})
    assert claims.continue_closing(account.id) == []  # another process may be at it
    clock.advance(minutes=1)
    [ticket] = claims.continue_closing(account.id)
    assert (db.tickets.find_one({"_id": ticket}) or {})["createdBy"] == squatter.id
    clock.advance(minutes=3)
    assert claims.continue_closing(account.id) == []
    assert claims.accounts_to_close() == []
    assert (db.users.find_one({"_id": account.id}) or {})["active"] is False
    assert [user.id for user in services.users.find_by_email(ADDRESS)] == [squatter.id]


def test_a_merge_whose_link_did_not_move_is_forgotten(
    jo: Visitor, squatter: User, services: Services, clock: FixedClock
) -> None:
    files(jo, "Printer is broken")
    account = own(services.users, squatter)
    services.address_claims.prepare_merge(account, into=squatter)
    clock.advance(minutes=1)
    assert services.address_claims.continue_closing(account.id) == []
    assert services.address_claims.accounts_to_close() == []
    kept = services.users.get(account.id)
    assert kept is not None
    assert kept.active


def test_more_tickets_than_a_batch_are_all_marked(
    jo: Visitor,
    squatter: User,
    services: Services,
    slack: RecordingSlack,
    clock: FixedClock,
    publisher: RecordingPublisher,
) -> None:
    db, jobs = services.db, Scheduler(services, publisher)
    for number in range(25):
        clock.advance(hours=1)
        file_ticket(services.tickets, squatter, title=f"Ticket {number}")
    files(jo, "Printer is broken")
    press(jo, question(slack), "disown_account", squatter)
    marked = {"createdBy": squatter.id, "events.type": "requester_disowned"}
    assert db.tickets.count_documents(marked) == 20
    jobs.renew_leadership()
    jobs.run("closing")
    assert db.tickets.count_documents(marked) == 25
    assert len(publisher.asked) == 5
    clock.advance(minutes=3)
    jobs.renew_leadership()
    jobs.run("closing")
    assert services.address_claims.accounts_to_close() == []
    events = [doc["events"] for doc in db.tickets.find(marked)]
    assert {[e["type"] for e in listed].count("requester_disowned") for listed in events} == {1}


def test_erasure_and_export_of_a_person_know_the_account_that_was_merged(
    jo: Visitor, squatter: User, services: Services, slack: RecordingSlack
) -> None:
    mine(jo, services, slack, squatter)
    exported = services.data_export.export(actor=OPERATOR, email=ADDRESS)
    assert len(exported["accounts"]) == 2
    assert len(services.erasure.erase(actor=OPERATOR, email=ADDRESS)) == 2
    assert services.db.users.distinct("name") == ["a former colleague"]


def test_two_answers_at_once_have_one_effect(
    jo: Visitor, squatter: User, slack: RecordingSlack, services: Services
) -> None:
    files(jo, "Printer is broken")
    actor = Actor.from_user(own(services.users, squatter))
    member = fetch_member(web_client(slack), team_id="T0TEAM", slack_user_id=JO)
    done = at_once(
        *[
            lambda: services.address_claims.disown(
                actor=actor, member=member, user_id=str(squatter.id)
            )
        ]
        * 4
    )
    assert sorted(str(outcome) == SETTLED for outcome in done) == [False, True, True, True]
    assert services.db.letters.count_documents({"kind": "account_disowned"}) == 1


def test_what_one_takes_part_in_moves_to_the_older_account(
    jo: Visitor,
    squatter: User,
    services: Services,
    slack: RecordingSlack,
    runtime: Runtime,
    publisher: RecordingPublisher,
    people: People,
) -> None:
    """With the card, which is not sent again. Who filed a ticket is no participant of it, too."""
    files(jo, "Printer is slow")
    account, requester = own(services.users, squatter), people.add()
    others = file_ticket(services.tickets, requester)
    services.participants.change(
        actor=Actor.from_user(requester), ticket_id=str(others.id), added=[account.id]
    )
    publisher.publish_ticket(str(others.id))
    work(runtime, publisher)
    filed = file_ticket(services.tickets, squatter)
    services.db.tickets.update_one({"_id": filed.id}, {"$set": {"participants": [account.id]}})
    mine(jo, services, slack, squatter)
    while services.address_claims.continue_closing(account.id):
        pass
    work(runtime, publisher)
    moved, kept = reload(services.db, others), reload(services.db, filed)
    assert (moved.participants, kept.participants) == ((squatter.id,), ())
    event = moved.events[-1]
    assert (event.type, event.by) == ("participant_added", squatter.id)
    assert (event.from_, event.to) == (account.id, squatter.id)
    cards = [card.recipient for card in moved.cards if card.kind == "participant"]
    assert cards == [squatter.id]
    shown = [message["text"] for message in slack.messages(JO)]
    assert len([text for text in shown if "added you" in text]) == 1
