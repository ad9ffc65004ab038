"""`/account`: show, link, link another account, unlink; and that others' forms are refused."""

from dataclasses import replace
from typing import Any

import pytest
from bson import ObjectId

from bot.handlers import account as handler_account
from bot.slack.bot_process import BotProcess
from services.accounts.users import new_account_doc
from services.auth.one_time_codes import CodeKind, OneTimeCodes
from services.core.database import Mongo
from services.linking.links import LinkService
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tasks.queue.celery_app import EMAIL_TASK
from tests.conftest import (
    APP_URL,
    Bot,
    FixedClock,
    People,
    RecordingPublisher,
    at_once,
    file_ticket,
    inline_bot,
    make_config,
)
from tests.support import payloads
from tests.support.block_text import read
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import GENERAL

Json = dict[str, Any]
JO = "U0JO"
WRONG = (
    "This code is wrong, out of date or used already. Get a new one on the page; it works for ten "
    "minutes."
)
UNLINKED = "You have unlinked your account. Type /account to link one again."
GUEST = "Guests cannot use this app. Ask a full member of this workspace to file the ticket."


def seen(view: Json) -> list[str]:
    """Return the title and the texts of a modal."""
    return [view["title"]["text"], *read(view)]


class Visitor:
    """A Slack member who uses `/account`."""

    def __init__(self, bot: Bot, slack: RecordingSlack, slack_id: str) -> None:
        self._bot, self._slack, self.slack_id = bot, slack, slack_id
        self.answer: Json = {}

    def account(self, text: str = "") -> list[str]:
        """Return the texts of the account summary, or of the form that opens."""
        self._slack.clear()
        body = payloads.slash_command(text, user=self.slack_id, command="/account")
        self.answer = self._bot.answer(body)
        if self.answer:
            assert self.answer["response_type"] == "ephemeral"
            return read(self.answer)
        return seen(self._slack.last_view())

    def press(self, action_id: str, value: str | None = None) -> list[str]:
        """Press a button of the summary; return the texts of the modal that opens."""
        shown = {"ts": "1700000000.000001", "channel": GENERAL, **self.answer}
        body = payloads.block_actions(shown, action_id, value, user=self.slack_id)
        body["container"]["is_ephemeral"] = True
        assert self._bot.answer(body) == {}
        return seen(self._slack.last_view())

    def submit(self, **values: str | None) -> Json:
        """Submit the open modal, which becomes what the response says."""
        return self.send(self._slack.last_view(), **values)

    def send(self, view: Json, **values: str | None) -> Json:
        answer = self._bot.answer(payloads.view_submission(view, values, user=self.slack_id))
        if answer.get("response_action") == "update":
            self._slack.workspace.keep_view(view["id"], answer["view"])
        return answer

    def links(self, code: str) -> list[str]:
        """Submit the code and confirm it; return the texts of the last modal."""
        assert self.submit(code=code)["response_action"] == "update"
        return seen(self.submit()["view"])

    def home(self) -> list[str]:
        return read(self._slack.home(self.slack_id))


@pytest.fixture
def mona(db: Mongo, clock: FixedClock) -> User:
    """A moderator with a password, created by the legacy backend."""
    doc = new_account_doc(
        email="mona@example.com", role=Role.MODERATOR, now=clock(), skills=["VPN"], name="Mona"
    )
    db.users.insert_one({**doc, "password": "$2b$04$hash"})
    return User.from_doc(db.users.find_one({"_id": doc["_id"]}) or {})


@pytest.fixture
def jo(ticket_bot: Bot, slack: RecordingSlack) -> Visitor:
    slack.add_member(JO, email="jo@slack.example", name="Jo in Slack")
    return Visitor(ticket_bot, slack, JO)


def issue(codes: OneTimeCodes, user: User) -> str:
    return codes.issue(kind=CodeKind.LINK, user_id=user.id)


def test_a_moderator_with_a_password_links_by_a_code(
    jo: Visitor,
    links: LinkService,
    codes: OneTimeCodes,
    slack: RecordingSlack,
    publisher: RecordingPublisher,
    db: Mongo,
    mona: User,
) -> None:
    assert jo.account() == [
        "Link an account",
        "1. Open the page, and sign in or sign up there.\n"
        "2. It shows a one-time code. Type it here.",
        "Open the page",
        f"{APP_URL}/link",
        "One-time code",
        "7KQ2M-9XV4D",
        "Never type a code that someone else gave you, and never share yours. Or leave this "
        "empty, to use the account of your Slack email address.",
    ]
    code = issue(codes, mona)
    assert jo.submit(code=code.lower())["response_action"] == "update"
    asked = slack.last_view()
    assert seen(asked)[1] == "Link to m…@example.com?"
    assert code not in str(asked)
    assert links.find_user(team_id="T0TEAM", slack_user_id=JO) is None
    assert seen(jo.submit()["view"]) == [
        "Account linked",
        "Your account is linked",
        "In Slack, you now use the account mona@example.com (Moderator).",
        "Type /account whenever you want to change something.",
    ]
    assert links.find_user(team_id="T0TEAM", slack_user_id=JO) == mona
    assert jo.home()[0] == "Hello, Mona"
    assert "The queue" in jo.home()  # the role has changed since
    assert [task for task, _ in publisher.asked] == [EMAIL_TASK]
    assert (db.letters.find_one() or {})["facts"] == {"slack_name": "Jo in Slack"}
    assert db.users.count_documents({}) == 1  # no account was created


def test_the_account_and_its_edits(
    jo: Visitor, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    mod = people.add(Role.MODERATOR, "VPN", "<DNS>")
    visitor = Visitor(jo._bot, slack, People.slack_id(mod))
    shown = visitor.account("whatever they type")
    assert shown == [
        "Your account",
        "*Name*\nModerator 1",
        "*Email*\nmoderator1@example.com",
        "*Role*\nModerator",
        "*Skills*\nVPN, &lt;DNS&gt;",
        f"*Linked to*\n<@{visitor.slack_id}>",
        f"Password and sessions: <{APP_URL}/profile>",
        "Edit profile",
        "My availability",
        "Link another account",
        "Unlink",
    ]
    assert visitor.answer["text"] == "Your account: moderator1@example.com, Moderator"
    assert visitor.press("open_availability", "own")[0] == "My availability"
    assert visitor.submit(start="08:30") == {}
    assert (db.users.find_one({"_id": mod.id}) or {})["workHours"]["start"] == "08:30"
    assert visitor.press("open_profile")[:3] == [
        "My profile",
        "Name",
        "Your colleagues see it on tickets.",
    ]
    assert visitor.submit(name="  Mo\nD  ", skills="VPN") == {}
    assert visitor.account()[1:5:3] == ["*Name*\nMo D", "*Skills*\nVPN"]
    visitor.press("open_profile")
    too_long = {"name": "A name has at most 80 characters."}
    assert visitor.submit(name="x" * 81)["errors"] == too_long
    assert visitor.submit(name=None) == {}
    assert visitor.account()[1] == "*Name*\nnot set"


def test_whatever_is_wrong_with_a_code_stands_at_the_field(
    jo: Visitor, codes: OneTimeCodes, slack: RecordingSlack, mona: User
) -> None:
    jo.account()
    form = slack.last_view()
    issue(codes, mona)
    for _ in range(5):
        answer = jo.submit(code="7KQ2M-9XV4D")
        assert answer == {"response_action": "errors", "errors": {"code": WRONG}}
    assert slack.last_view() == form  # with the entered text
    locked = jo.submit(code="7KQ2M-9XV4D")["errors"]["code"]
    assert locked == "Too many wrong codes. Try again in 15 minutes, with a new code."
    code = issue(codes, mona)
    assert jo.submit(code=code)["errors"]["code"].startswith("Too many wrong codes.")


def test_a_code_that_is_used_up_before_the_second_press(
    jo: Visitor, codes: OneTimeCodes, mona: User, slack: RecordingSlack
) -> None:
    jo.account()
    code = issue(codes, mona)
    jo.submit(code=code)
    codes.redeem(kind=CodeKind.LINK, code=code)
    assert seen(jo.submit()["view"]) == ["Please note", WRONG]


def test_two_presses_link_once(
    jo: Visitor, codes: OneTimeCodes, mona: User, slack: RecordingSlack, db: Mongo
) -> None:
    jo.account()
    jo.submit(code=issue(codes, mona))
    view = slack.last_view()
    shown = [seen(answer["view"]) for answer in at_once(*[lambda: jo.send(view)] * 3)]
    assert [said[1] for said in shown].count("Your account is linked") == 1
    assert db.letters.count_documents({}) == 1


def test_another_users_confirmation_is_refused(
    jo: Visitor, codes: OneTimeCodes, mona: User, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    jo.account()
    jo.submit(code=issue(codes, mona))
    thief = Visitor(jo._bot, slack, People.slack_id(people.add()))
    replayed = thief.send(slack.last_view())
    assert seen(replayed["view"])[1:] == ["This form is not yours. Open a new one with /account."]
    assert db.links.count_documents({"userId": mona.id}) == 0


@pytest.mark.parametrize("metadata", ["", "x", "[]", "null", '{"user": "U0JO"}', "[" * 9_000])
def test_a_form_that_was_not_opened_here_links_nothing(
    jo: Visitor, slack: RecordingSlack, metadata: str, codes: OneTimeCodes, mona: User, db: Mongo
) -> None:
    jo.account()
    jo.submit(code=issue(codes, mona))
    forged = {**slack.last_view(), "private_metadata": metadata}
    assert seen(jo.send(forged)["view"])[0] == "Please note"
    assert db.links.count_documents({}) == 0


def test_another_members_account_stays_linked_and_they_are_warned(
    jo: Visitor, codes: OneTimeCodes, slack: RecordingSlack, people: People
) -> None:
    owner = people.add()
    jo.account()
    answer = jo.submit(code=issue(codes, owner))
    assert answer["errors"]["code"] == (
        "That account is linked to another Slack member, who has been notified. Unlink it there "
        "first: type /account as that member, or open your profile on the page."
    )
    (told,) = slack.messages(People.slack_id(owner))
    assert told["text"] == (
        f"<@{JO}> tried to link your account user1@example.com with a one-time code. It was "
        "refused, because the account is linked to you. If that was not you, someone can sign in "
        "as you: change your password on the page."
    )


def test_another_account_says_what_becomes_of_the_former(
    jo: Visitor,
    codes: OneTimeCodes,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    db: Mongo,
    mona: User,
    publisher: RecordingPublisher,
) -> None:
    former = people.add(Role.MODERATOR)
    for _ in range(2):
        ticket = file_ticket(tickets, people.add())
        db.tickets.update_one({"_id": ticket.id}, {"$set": {"assignedTo": former.id}})
    visitor = Visitor(jo._bot, slack, People.slack_id(former))
    visitor.account()
    form = visitor.press("open_link")
    assert form[-1] == ("Never type a code that someone else gave you, and never share yours.")
    assert visitor.submit(code=None)["errors"] == {"code": "Type the code that the page shows."}
    visitor.submit(code=issue(codes, mona))
    assert seen(slack.last_view())[1:] == [
        "Link to m…@example.com?",
        "This is not the address you have in Slack.",
        "If that is not your own address, press Cancel. Otherwise its owner reads the tickets that "
        "you file.",
        "You are now linked to moderator1@example.com. That account keeps its tickets, but you "
        "no longer act as it here, and its messages no longer reach you. 2 open tickets are "
        "assigned to it and stay so until someone takes them.",
    ]
    assert seen(visitor.submit()["view"])[1] == "Your account is linked"
    assert visitor.account()[2] == "*Email*\nmona@example.com"
    assert [task for task, _ in publisher.asked] == [EMAIL_TASK, EMAIL_TASK]
    assert db.tickets.count_documents({"assignedTo": former.id}) == 2


def test_unlinking_asks_once_more_and_the_next_use_links_nobody(
    jo: Visitor,
    links: LinkService,
    slack: RecordingSlack,
    publisher: RecordingPublisher,
    people: People,
    tickets: TicketService,
    db: Mongo,
) -> None:
    mod = people.add(Role.MODERATOR)
    ticket = file_ticket(tickets, people.add())
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"assignedTo": mod.id}})
    visitor = Visitor(jo._bot, slack, People.slack_id(mod))
    visitor.account()
    assert visitor.press("open_unlink") == [
        "Unlink",
        "Unlink your account?",
        "You no longer act as moderator1@example.com. The account and its tickets stay, but their "
        "messages no longer reach you here.",
        "1 open ticket is assigned to you and stays so until someone else takes it.",
        "Type /account to link it again by your Slack email address.",
    ]
    assert links.find_user(team_id="T0TEAM", slack_user_id=visitor.slack_id) == mod
    assert seen(visitor.submit()["view"]) == [
        "Account unlinked",
        "You are no longer linked to moderator1@example.com.",
        "Type /account to link an account again.",
    ]
    assert [task for task, _ in publisher.asked] == [EMAIL_TASK]
    assert visitor.home() == ["Help desk", UNLINKED]
    body = payloads.slash_command("list", user=visitor.slack_id)
    assert jo._bot.answer(body)["text"] == UNLINKED
    counts = db.users.count_documents({}), db.links.count_documents({"userId": mod.id})
    assert counts == (2, 0)
    assert "leave this empty" in visitor.account()[-1]
    assert seen(visitor.submit(code=None)["view"])[1:3] == [
        "Your account is linked",
        "In Slack, you now use the account moderator1@example.com (Moderator).",
    ]
    assert links.find_user(team_id="T0TEAM", slack_user_id=visitor.slack_id) == mod
    assert "The queue" in visitor.home()


def test_an_old_answers_buttons_unlink_nothing_else(
    jo: Visitor, codes: OneTimeCodes, slack: RecordingSlack, people: People, mona: User, db: Mongo
) -> None:
    user = people.add()
    visitor = Visitor(jo._bot, slack, People.slack_id(user))
    visitor.account()
    visitor.press("open_unlink")
    stale = slack.last_view()
    visitor.press("open_link")
    visitor.links(issue(codes, mona))
    said = "You are now linked to another account, or to none. Type /account to see which."
    assert seen(visitor.send(stale)["view"])[1] == said
    slack.clear()
    shown = {"ts": "1700000000.000001", "channel": GENERAL, **visitor.answer}
    assert jo._bot.answer(payloads.block_actions(shown, "open_unlink", user=visitor.slack_id)) == {}
    assert [call.args["text"] for call in slack.calls_to("chat.postEphemeral")] == [said]
    assert db.links.count_documents({"userId": mona.id}) == 1


def test_another_users_unlink_form_ends_no_link(
    jo: Visitor, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    owner, other = people.add(), people.add()
    visitor = Visitor(jo._bot, slack, People.slack_id(owner))
    visitor.account()
    visitor.press("open_unlink")
    replayed = Visitor(jo._bot, slack, People.slack_id(other)).send(slack.last_view())
    assert seen(replayed["view"])[0] == "Please note"
    assert db.links.count_documents({}) == 2


def test_a_guest_reads_why_in_the_form(
    ticket_bot: Bot, slack: RecordingSlack, codes: OneTimeCodes, mona: User, db: Mongo
) -> None:
    slack.add_member("U0GUEST", email="g@example.com", name="Guest", is_restricted=True)
    guest = Visitor(ticket_bot, slack, "U0GUEST")
    assert guest.account() == ["Please note", GUEST]
    opened = slack.calls_to("views.open")[0].answer["view"]
    answer = guest.send(opened, code=issue(codes, mona))
    assert answer["errors"] == {"code": GUEST}
    assert db.links.count_documents({}) == 0


def test_a_deactivated_account_gives_way_to_another(
    jo: Visitor, slack: RecordingSlack, people: People, codes: OneTimeCodes, mona: User, db: Mongo
) -> None:
    user = people.add()
    db.users.update_one({"_id": user.id}, {"$set": {"active": False}})
    visitor = Visitor(jo._bot, slack, People.slack_id(user))
    deactivated = "Your account in this app is deactivated. Ask one of its admins."
    assert visitor.account()[1] == deactivated
    assert visitor.links(issue(codes, mona))[1] == "Your account is linked"


def test_an_address_with_a_password_account_is_led_to_the_code(
    jo: Visitor, slack: RecordingSlack, db: Mongo
) -> None:
    known = {"email": "jo@slack.example", "password": "$2b$04$hash", "role": "moderator"}
    db.users.insert_one(known)
    has_password = (
        "Your email address already has an account with a password. Type /account to link it."
    )
    assert jo._bot.answer(payloads.slash_command("list", user=JO))["text"] == has_password
    jo.account()
    assert jo.submit(code=None)["errors"] == {"code": has_password}


def test_strict_linking_lets_nobody_in_without_a_code(
    bot_process: BotProcess,
    slack: RecordingSlack,
    db: Mongo,
    codes: OneTimeCodes,
    mona: User,
) -> None:
    slack.add_member(JO, email="jo@slack.example", name="Jo")
    ticket_bot = inline_bot(
        replace(bot_process, services=replace(bot_process.services, is_linking_strict=True))
    )
    link_first = "Link your account first: type /account."
    answer = ticket_bot.answer(payloads.slash_command("list", user=JO))
    assert answer["text"] == link_first
    opened = {"type": "app_home_opened", "user": JO, "tab": "home", "channel": "D0JO"}
    ticket_bot.answer(payloads.event(opened))
    assert read(slack.home(JO)) == ["Help desk", link_first]
    jo = Visitor(ticket_bot, slack, JO)
    assert "leave this empty" not in str(jo.account())
    assert jo.submit(code=None)["errors"] == {"code": "Type the code that the page shows."}
    assert jo.links(issue(codes, mona))[1] == "Your account is linked"
    assert (db.users.count_documents({}), db.links.count_documents({})) == (1, 1)
    assert jo.home()[0] == "Hello, Mona"
    jo.account()
    assert jo.press("open_unlink")[-1] == "Type /account to link it again by a one-time code."


def test_without_a_page_ones_address_is_the_only_way(
    bot_process: BotProcess, slack: RecordingSlack, db: Mongo
) -> None:
    slack.add_member(JO, email="jo@slack.example", name="Jo")
    pageless = inline_bot(replace(bot_process, config=make_config(APP_URL="")))
    jo = Visitor(pageless, slack, JO)
    assert jo.account() == [
        "Link an account",
        "Press Link to use the account of your Slack email address.",
    ]
    assert seen(jo.submit()["view"])[1] == "Your account is linked"
    assert "Password and sessions" not in str(jo.account())
    no_page = (
        "Accounts cannot be linked yet, because the page for it has no address. Ask an admin of "
        "this app to set APP_URL."
    )
    assert jo.press("open_link") == ["Link an account", no_page]


def test_slack_away_after_linking_changes_nothing_about_it(
    jo: Visitor, codes: OneTimeCodes, slack: RecordingSlack, mona: User, db: Mongo
) -> None:
    jo.account()
    slack.fail("views.publish", status=500)
    assert jo.links(issue(codes, mona))[1] == "Your account is linked"


def test_without_a_database_it_says_so(bot_without_database: Bot, slack: RecordingSlack) -> None:
    away = "This does not work right now, because the database is away. Try again in a minute."
    command = payloads.slash_command(user=JO, command="/account")
    assert bot_without_database.answer(command)["text"] == away
    assert slack.calls_to("views.open") == []


def test_a_press_on_the_link_is_answered(jo: Visitor, slack: RecordingSlack) -> None:
    jo.account()
    body = payloads.block_actions(slack.last_view(), "link_page", user=JO)
    assert jo._bot.answer(body) == {}


def test_who_is_unlinked_on_the_page_is_told(
    bot_process: BotProcess, slack: RecordingSlack, people: People
) -> None:
    user = people.add()
    slack_id = People.slack_id(user)
    handler_account.notify_unlinked(bot_process, slack_user_id=slack_id, email="a&b@example.com")
    (told,) = slack.messages(slack_id)
    assert told["text"] == (
        "Your account a&amp;b@example.com was unlinked from you on its page. Type /account to link "
        "one again. If that was not you, change your password on the page."
    )
    slack.fail("chat.postMessage", status=500)
    handler_account.notify_unlinked(bot_process, slack_user_id=slack_id, email="x@example.com")
    assert ObjectId.is_valid(str(user.id))
