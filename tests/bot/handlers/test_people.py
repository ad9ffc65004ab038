"""People in Home: admins search and edit them; everyone edits their own profile."""

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from bot.views.home.people_list import people_page
from bot.views.modals import person, person_changes
from services.account_admin.audit_trail import PersonChanges
from services.accounts.account_search import AccountCursor, AccountPage
from services.audit import audit_log
from services.audit.audit_log import SYSTEM, AuditAction, AuditEntry
from services.availability.availability_service import AvailabilityChange
from services.core.database import Mongo
from services.core.errors import PermissionDenied
from services.home.home_service import PeoplePage
from services.home.sessions import Screen
from services.models.permissions import OPERATOR, Actor
from services.models.ticket import Status
from services.models.user import Role, User
from services.outbox.replies import Replies
from services.registry.services import Services
from services.tickets.filing import TicketService
from tasks.notifications import reply_sender
from tasks.runtime import Runtime
from tests.conftest import (
    Bot,
    FixedClock,
    People,
    RecordingPublisher,
    file_ticket,
    reload,
    work,
)
from tests.support import payloads
from tests.support.block_text import read, without_facts
from tests.support.blockkit import check_view
from tests.support.home_visitor import Visitor
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID
from tests.support.view_state import elements

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LAST = "There has to be an active admin. Make someone else an admin first."


@pytest.fixture
def ada(ticket_bot: Bot, slack: RecordingSlack, admin: User) -> Visitor:
    return Visitor(ticket_bot, slack, admin)


def named(seen: list[str]) -> list[str]:
    return [text for text in seen if "@example.com" in text]


def test_an_admin_edits_a_person(ada: Visitor, people: People, db: Mongo) -> None:
    nils = people.add(Role.MODERATOR, "VPN")
    assert "People" in ada.open()
    seen = ada.press("People")
    assert seen[:4] == ["People", "Back", "Search", "Add moderator"]
    assert seen[4:6] == ["---", "Admin 1 · admin1@example.com"]
    assert "*Moderator* · capacity 8 · knows VPN" in seen
    ada.press("Edit", number=1)
    assert ada.submit(role="admin", skills="VPN, C++", capacity="3") == {}
    assert "*Admin* · capacity 3 · knows VPN, C++" in ada.see()
    doc = db.users.find_one({"_id": nils.id}) or {}
    assert (doc["role"], doc["skills"], doc["capacity"]) == ("admin", ["VPN", "C++"], 3)


def test_search_pages_and_back(ada: Visitor, db: Mongo, people: People) -> None:
    db.users.insert_many([{"email": f"nora{n:02d}@example.com"} for n in range(12)])
    people.add(Role.MODERATOR)
    ada.open()
    ada.press("People")
    ada.press("Search")
    assert ada.submit(search="nora") == {}
    first = ada.see()
    assert first[4:6] == ["Show everyone", "Found for “nora”"]
    assert named(first) == [f"nora{n:02d} · nora{n:02d}@example.com" for n in range(10)]
    assert len(named(ada.press("Next"))) == 2
    assert named(ada.press("Previous")) == named(first)
    assert len(named(ada.press("Show everyone"))) == 10
    assert ada.press("Back")[0] == "Hello, Admin 1"


def test_a_search_that_finds_nobody_says_what_to_do(ada: Visitor) -> None:
    ada.open()
    ada.press("People")
    ada.press("Search")
    ada.submit(search="<!channel>")
    seen = ada.see()
    assert seen[-2:] == [
        "Found for “<!channel>”",
        "No name or address begins like that. Search for something else.",
    ]
    ada.press("Search")  # the current search is filled in
    ada.submit(search="")
    assert named(ada.see()) == ["Admin 1 · admin1@example.com"]


def test_the_form_keeps_what_is_not_acceptable(
    ada: Visitor, people: People, slack: RecordingSlack
) -> None:
    ada.open()
    ada.press("People")
    ada.press("Edit")
    assert ada.submit(capacity="many") == {
        "response_action": "errors",
        "errors": {"capacity": "Write a whole number from 0 to 100."},
    }
    assert ada.submit(active="deactivated")["errors"] == {"active": LAST}
    assert ada.submit(role="user")["errors"] == {"role": LAST}


def test_the_form_refuses_the_role_of_an_unconfirmed_account(
    ada: Visitor, people: People, db: Mongo
) -> None:
    mod = people.add(linked=False, password="hash")
    ada.open()
    ada.press("People")
    ada.press("Edit", number=1)
    assert ada.submit(role="moderator")["errors"] == {
        "role": f"It is not confirmed that {mod.email} is the address of this account's owner, so "
        "it gets no role. If you know the owner, confirm it on the server: python app.py users "
        f"confirm {mod.email}"
    }
    assert (db.users.find_one({"_id": mod.id}) or {})["role"] == "user"


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "their open tickets go"), (1, "their 1 open ticket goes"), (2, "their 2 open tickets go")],
)
def test_the_form_says_what_becomes_of_open_tickets(
    ada: Visitor,
    people: People,
    tickets: TicketService,
    slack: RecordingSlack,
    db: Mongo,
    number: int,
    words: str,
) -> None:
    nils = people.add(Role.MODERATOR)
    for _ in range(number):
        ticket = file_ticket(tickets, nils)
        busy = {"assignedTo": nils.id, "status": Status.IN_PROGRESS}
        db.tickets.update_one({"_id": ticket.id}, {"$set": busy})
    ada.open()
    ada.press("People")
    ada.press("Edit", number=1)
    hint = slack.last_view()["blocks"][-1]["hint"]["text"]
    assert hint == (f"A deactivated person can no longer use this app; {words} to someone else.")


def test_an_admin_who_demotes_themselves_loses_the_screen(ada: Visitor, people: People) -> None:
    people.add(Role.ADMIN)
    ada.open()
    ada.press("People")
    ada.press("Edit")
    assert ada.submit(role="moderator") == {}
    seen = ada.see()
    assert seen[0] == "Hello, Admin 1"
    assert "People" not in seen


def test_an_admin_who_deactivates_themselves_reads_so(ada: Visitor, people: People) -> None:
    people.add(Role.ADMIN)
    ada.open()
    ada.press("People")
    ada.press("Edit")
    assert ada.submit(active="deactivated") == {}
    assert ada.see() == [
        "Help desk",
        "Your account in this app is deactivated. Ask one of its admins.",
    ]


def test_a_demoted_admin_reads_why_an_old_button_does_nothing(
    ada: Visitor, slack: RecordingSlack, admin: User, db: Mongo
) -> None:
    ada.open()
    ada.press("People")
    db.users.update_one({"_id": admin.id}, {"$set": {"role": "moderator"}})
    ada.press("Edit")
    assert slack.last_view()["blocks"][0]["text"]["text"] == (
        "Your role does not allow you to manage people. Ask an admin if it should."
    )
    assert ada.open()[0] == "Hello, Admin 1"


def test_a_user_who_forges_the_button_gets_no_account_list(
    ticket_bot: Bot, slack: RecordingSlack, people: People
) -> None:
    ann = Visitor(ticket_bot, slack, people.add())
    before = ann.open()
    assert "People" not in before
    view = slack.home(ann.slack_id)
    value = Screen(people=AccountCursor()).encode()
    for element in (e for e, _ in elements(view) if e.get("action_id", "").startswith("home_")):
        body = payloads.block_actions(view, element["action_id"], value, user=ann.slack_id)
        ticket_bot.answer(body)
        assert "@example.com" not in str(slack.home(ann.slack_id))


def test_whose_tickets_are_released_and_to_whom(
    ada: Visitor,
    slack: RecordingSlack,
    people: People,
    tickets: TicketService,
    runtime: Runtime,
    publisher: RecordingPublisher,
    db: Mongo,
) -> None:
    nils = people.add(Role.MODERATOR, "VPN")
    ticket = file_ticket(tickets, people.add(), "VPN is down")
    work(runtime, publisher, ticket)
    assert reload(db, ticket).assigned_to == nils.id
    pia = people.add(Role.MODERATOR, "VPN")
    ada.open()
    ada.press("People")
    ada.press("Edit", number=next(i for i, t in enumerate(named(ada.see())) if nils.email in t))
    assert ada.submit(active="deactivated") == {}
    work(runtime, publisher)
    now = reload(db, ticket)
    assert (now.assigned_to, now.status) == (pia.id, Status.IN_PROGRESS)
    told = slack.messages(People.slack_id(pia))[0]["text"]
    assert without_facts(told) == "Ticket 1 “VPN is down”: assigned to you"
    assert slack.messages(People.slack_id(nils))[0]["text"].startswith("Ticket 1 “VPN is down”")
    assert "*Moderator* · *deactivated* · capacity 8 · knows VPN" in ada.see()


# My profile


def test_a_moderator_says_what_they_know(
    ticket_bot: Bot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    nils = people.add(Role.MODERATOR, "VPN")
    visitor = Visitor(ticket_bot, slack, nils)
    visitor.open()
    visitor.press("My profile")
    assert visitor.submit(skills="VPN, DNS") == {}
    doc = db.users.find_one({"_id": nils.id}) or {}
    assert doc["skills"] == ["VPN", "DNS"]
    visitor.press("My profile")
    assert visitor.submit() == {}  # no field was changed
    assert db.users.find_one({"_id": nils.id}) == doc


def test_who_works_on_no_tickets_has_no_skills_to_tell(
    ticket_bot: Bot, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    ann = people.add()
    visitor = Visitor(ticket_bot, slack, ann)
    visitor.open()
    visitor.press("My profile")
    assert [block["block_id"] for block in slack.last_view()["blocks"]] == ["name"]
    assert visitor.submit() == {}
    assert (db.users.find_one({"_id": ann.id}) or {})["skills"] == []


# Views at their limits


def somebody(**fields: Any) -> User:
    skills = tuple(f"&{'skill' * 9}{n:03d}" for n in range(100))
    name, email = "&<>😀" * 50, f"{'x' * 240}@example.com"
    full = {"skills": skills, "name": name, "email": email, "active": False, "capacity": 10**6}
    return User(**{**full, "id": ObjectId(), "role": Role.MODERATOR, "away_until": NOW, **fields})


def test_the_longest_accounts_fit_a_page() -> None:
    users = tuple(somebody() for _ in range(10))
    place = AccountCursor("x" * 80, anchor_id=users[0].id)
    page = AccountPage(place, users, previous=place, next=place)
    content = PeoplePage(Screen(people=place), page, {}, now=datetime(2026, 1, 1, tzinfo=UTC))
    view = people_page(content)
    assert check_view(view, home=True) == []
    assert "away until <!date^" in str(view)
    assert "not linked to Slack yet" in str(view)


@pytest.mark.parametrize("role", Role)
def test_forms_hold_a_hundred_skills(role: Role) -> None:
    user = somebody(role=role)
    for view in (
        person.person_modal(user),
        person.profile_modal(user, is_staff=True),
        person.profile_modal(user, is_staff=False),
        person.search_modal("x" * 80),
    ):
        assert check_view(view) == []


def test_an_account_as_the_legacy_app_left_it() -> None:
    user = User(ObjectId(), "", Role.USER)
    assert check_view(person.person_modal(user)) == []
    page = AccountPage(AccountCursor(), (user,))
    view = people_page(PeoplePage(Screen(people=AccountCursor()), page, {}, now=NOW))
    assert "someone · no email address" in read(view)


def test_each_person_is_one_unit_with_their_buttons() -> None:
    users = (somebody(active=True), User(ObjectId(), "ann@example.com", Role.USER))
    page = AccountPage(AccountCursor(), users)
    view = people_page(PeoplePage(Screen(people=AccountCursor()), page, {}, now=NOW))
    rows = [view["blocks"][2 + 4 * n : 6 + 4 * n] for n in range(len(users))]
    assert [[block["type"] for block in row] for row in rows] == [
        ["divider", "section", "context", "actions"]
    ] * 2
    assert [[b["text"]["text"] for b in row[-1]["elements"]] for row in rows] == [
        ["Edit", "Availability"],
        ["Edit"],
    ]


# Changes


def test_an_admin_reads_who_changed_a_person(
    ada: Visitor, people: People, slack: RecordingSlack, services: Services, clock: FixedClock
) -> None:
    nils = people.add(Role.MODERATOR, "VPN")
    clock.advance(minutes=1)
    services.availability.update(
        actor=Actor.from_user(nils), change=AvailabilityChange(is_away=False)
    )
    services.users.update(actor=OPERATOR, email=nils.email, role="admin", skills=[])
    services.account_admin.update_own(actor=Actor(nils.id, Role.ADMIN), name="<Nils> & *Co*")
    ada.open()
    ada.press("People")
    ada.press("Edit", number=1)
    form = slack.last_view()
    ada.press("Changes", on=form)
    (call,) = slack.calls_to("views.push")
    shown = call.args["view"]
    assert check_view(shown) == []
    assert (shown["title"]["text"], shown["close"]["text"]) == ("Changes", "Back")
    heading, said = read(shown)
    assert heading == "Changes of <Nils> & *Co*"
    lines = [line.rpartition(" · ")[0] for line in said.split("\n")]
    assert sorted(lines[:3]) == [
        "&lt;Nils&gt; &amp; *Co* changed the name",
        "An operator changed the role from Moderator to Admin",
        "An operator changed the skills from VPN to none",
    ]
    assert lines[3:] == ["An operator created the account with the role Moderator"]


def test_what_an_admin_did_is_said_with_their_name(
    ada: Visitor, people: People, slack: RecordingSlack
) -> None:
    people.add(Role.MODERATOR, "VPN")
    ada.open()
    ada.press("People")
    ada.press("Edit", number=1)
    ada.submit(active="deactivated", capacity="0")
    slack.clear()
    ada.press("Edit", number=1)
    ada.press("Changes", on=slack.last_view())
    said = "\n".join(read(slack.calls_to("views.push")[0].args["view"]))
    assert "Admin 1 deactivated the account · " in said
    assert "Admin 1 changed the capacity from 8 to 0 · " in said


def test_every_change_of_an_account_has_its_words(db: Mongo, admin: User) -> None:
    now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    values: dict[str, tuple[Any, Any]] = {
        "account.away": (None, now),
        "account.created": (None, "user"),
        "account.role": ("user", "admin"),
        "account.skills": (["<VPN>"], []),
        "account.capacity": (8, 3),
        "account.active": (True, False),
        "account.unknown_yet": (None, None),
    }
    actions = [*AuditAction, *values]
    actions += [f"account.{name}" for name in ("name", "email", "password", "workHours", "country")]
    entries = [
        AuditEntry(now, SYSTEM, action, admin.id, *values.get(action, (None, None)))
        for action in dict.fromkeys(actions)
    ]
    gone = AuditEntry(now, ObjectId(), "account.active", admin.id, False, True)
    changes = PersonChanges(admin, (*entries, gone), {}, "IT help", has_more=True)
    shown = person_changes.person_changes_modal(changes)
    assert check_view(shown) == []
    said = "\n".join(read(shown)[1:])
    assert "&lt;VPN&gt;" in said
    assert "IT help changed the account (unknown_yet) · " in said
    assert "A former colleague activated the account · " in said
    assert said.endswith("_Only the newest 50 changes are shown._")
    empty = person_changes.person_changes_modal(
        PersonChanges(admin, (), {}, "IT help", has_more=False)
    )
    assert read(empty)[1] == "No changes are recorded for this account."


def test_a_long_log_is_cut_at_the_newest(
    people: People, services: Services, admin: User, db: Mongo, clock: FixedClock
) -> None:
    nils = people.add(Role.MODERATOR)
    for capacity in range(60):
        clock.advance(seconds=1)
        entry = AuditEntry(clock(), SYSTEM, "account.capacity", nils.id, capacity, capacity + 1)
        audit_log.record(db, entry)
    changes = services.audit_trail.of_person(actor=Actor.from_user(admin), user_id=str(nils.id))
    assert changes.has_more
    assert [entry.to for entry in changes.entries] == list(range(60, 10, -1))
    assert check_view(person_changes.person_changes_modal(changes)) == []


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
def test_only_admins_read_changes(people: People, services: Services, role: Role) -> None:
    user = people.add(role)
    actor = Actor.from_user(user)
    with pytest.raises(PermissionDenied):
        services.audit_trail.of_person(actor=actor, user_id=str(user.id))
    with pytest.raises(PermissionDenied):
        services.audit_trail.entries(actor=actor)


@pytest.fixture
def nora(slack: RecordingSlack) -> str:
    slack.add_member("U0NORA", email="nora@example.com", name="Nora")
    return "U0NORA"


def test_an_admin_adds_a_moderator(
    ada: Visitor,
    nora: str,
    slack: RecordingSlack,
    runtime: Runtime,
    publisher: RecordingPublisher,
    db: Mongo,
) -> None:
    ada.open()
    ada.press("People")
    ada.press("Add moderator")
    assert check_view(person.add_moderator_modal()) == []
    for _ in range(2):  # a double click
        answer = ada.submit(member=nora, skills="VPN, <!channel>")
        assert read(answer["view"]) == [
            "Nora is a moderator now, and gets a message that says what they can do."
        ]
    assert "Nora · nora@example.com" in ada.see()
    work(runtime, publisher)
    (welcome,) = slack.messages(nora)
    assert welcome["text"] == "You are a moderator of Help desk."
    assert read(welcome) == [
        "*You are a moderator of Help desk.*\n"
        "Open this app's Home once, so that tickets can come to you.\n"
        "Tickets that fit you come here as direct messages: accept them, ask the requester, "
        "resolve them. In this app's Home, you see the queue, and set your working hours and your "
        "skills.",
        "Your skills: VPN, &lt;!channel&gt;. Type `/ticket help` to see all commands.",
    ]
    assert db.users.count_documents({"emailKey": "nora@example.com"}) == 1
    assert db.audit.count_documents({"action": "account.created", "to": "moderator"}) == 1


def test_a_welcome_is_sent_although_its_worker_was_killed(
    ada: Visitor, nora: str, slack: RecordingSlack, runtime: Runtime, clock: FixedClock
) -> None:
    ada.open()
    ada.press("People")
    ada.press("Add moderator")
    assert "Nora is an admin now" in str(ada.submit(member=nora, role="admin"))
    reply = runtime.services.replies.claim()  # by a worker that dies before it calls Slack
    assert reply is not None
    assert runtime.services.replies.next_due_id() is None
    clock.advance(minutes=2)
    reply_sender.run(runtime, reply.id)
    reply_sender.run(runtime, reply.id)
    (welcome,) = slack.messages(nora)
    assert welcome["text"] == "You are an admin of Help desk."
    assert "As an admin, you also manage people and settings there." in read(welcome)[0]


def test_a_welcome_that_could_not_be_stored_is_stored_when_the_form_is_sent_again(
    ada: Visitor,
    nora: str,
    slack: RecordingSlack,
    runtime: Runtime,
    publisher: RecordingPublisher,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unavailable(*_: object, **__: object) -> str:
        raise AutoReconnect("away")

    ada.open()
    ada.press("People")
    ada.press("Add moderator")
    with monkeypatch.context() as faults:
        faults.setattr(Replies, "queue", unavailable)
        assert ada.submit(member=nora)["response_action"] == "errors"  # the form stays
    assert "Nora is a moderator now" in str(ada.submit(member=nora))
    work(runtime, publisher)
    (welcome,) = slack.messages(nora)
    assert welcome["text"] == "You are a moderator of Help desk."


def test_who_cannot_be_a_moderator_is_said_at_the_field(
    ada: Visitor, slack: RecordingSlack, db: Mongo
) -> None:
    slack.add_member("U0GUEST", email="guest@example.com", name="Guest", is_restricted=True)
    ada.open()
    ada.press("People")
    ada.press("Add moderator")
    assert ada.submit(member="U0GUEST")["errors"] == {
        "member": "Guests cannot work on tickets. Choose a full member."
    }
    assert ada.submit(member="U0GONE")["errors"] == {
        "member": "Slack does not know this person any more. Choose someone else."
    }
    assert (db.users.count_documents({}), db.replies.count_documents({})) == (1, 0)


def test_a_moderator_of_whom_a_code_is_needed_is_told(
    ada: Visitor,
    nora: str,
    slack: RecordingSlack,
    runtime: Runtime,
    publisher: RecordingPublisher,
    db: Mongo,
) -> None:
    db.unlinked.insert_one({"_id": f"{TEAM_ID}:{nora}"})
    ada.open()
    ada.press("People")
    ada.press("Add moderator")
    assert "Nora is a moderator now" in str(ada.submit(member=nora))
    work(runtime, publisher)
    (welcome,) = slack.messages(nora)
    first = "Type `/account` to link your account, so that tickets can come to you."
    assert read(welcome)[0].splitlines()[1] == first
