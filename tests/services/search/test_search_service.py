"""Which tickets a search finds, in which order, for whom."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from bson import ObjectId

from services.accounts.account_search import search_keys
from services.core.database import Mongo
from services.core.errors import InvalidValue
from services.models.permissions import Actor
from services.models.search_words import SearchWords, unique_words
from services.models.user import Role, User
from services.registry.services import Services
from services.search import matching, word_sample
from services.search.search_query import SearchCursor, SearchFilter
from services.search.search_service import SearchResult
from services.search.word_sample import SAMPLES
from services.tickets.filing import TicketService
from tests.conftest import Commands, FixedClock, People, file_ticket
from tests.support.slack_workspace import TEAM_ID

Search = Callable[..., SearchResult]


def add(people: People, email: str, name: str, role: Role = Role.USER) -> User:
    keys = search_keys(User(ObjectId(), email, role, name=name))
    return people.add(role, email=email, emailKey=email, name=name, searchKeys=keys)


@pytest.fixture
def moderator(people: People) -> User:
    return add(people, "mona@example.com", "Mona Lisa", Role.MODERATOR)


@pytest.fixture
def search(services: Services) -> Search:
    def run(user: User, text: str, **options: Any) -> SearchResult:
        SAMPLES.clear()
        actor = Actor.from_user(user)
        return services.search.search(actor=actor, team_id=TEAM_ID, text=text, **options)

    return run


def numbers(result: SearchResult) -> list[int | None]:
    return [hit.ticket.number for hit in result.hits]


def titles(result: SearchResult) -> list[str]:
    return [hit.ticket.title for hit in result.hits]


def test_every_word_and_the_last_as_a_beginning(
    tickets: TicketService, requester: User, moderator: User, search: Search
) -> None:
    file_ticket(tickets, requester, "Café printer jammed", "Since Monday")
    file_ticket(tickets, requester, "Printer empty", "No toner")

    assert titles(search(moderator, "PRINT")) == ["Printer empty", "Café printer jammed"]
    assert titles(search(moderator, "cafe prin")) == ["Café printer jammed"]
    assert titles(search(moderator, "prin cafe")) == []
    assert titles(search(moderator, "printer monday caf")) == ["Café printer jammed"]


def test_title_then_description_then_comments_then_age(
    services: Services,
    tickets: TicketService,
    requester: User,
    moderator: User,
    search: Search,
    clock: FixedClock,
) -> None:
    made = []
    for title, description in (
        ("The VPN", "in the title, old"),
        ("Network", "The VPN in the description"),
        ("VPN again", "in the title, new"),
        ("Mail", "in a comment"),
    ):
        made.append(file_ticket(tickets, requester, title, description))
        clock.advance(minutes=1)
    me = Actor.from_user(requester)
    services.comments.add(actor=me, ticket_id=str(made[3].id), text="or the vpn?")

    found = search(moderator, "vpn")

    assert titles(found) == ["VPN again", "The VPN", "Network", "Mail"]
    places = [hit.excerpt.place.value if hit.excerpt else "" for hit in found.hits]
    assert places == ["title", "title", "description", "comment"]


def test_who_finds_what(
    services: Services,
    tickets: TicketService,
    people: People,
    requester: User,
    moderator: User,
    search: Search,
    db: Mongo,
) -> None:
    own = file_ticket(tickets, requester, "VPN one")
    other = people.add()
    foreign = file_ticket(tickets, other, "VPN two")
    shared = file_ticket(tickets, other, "VPN three")
    hidden = file_ticket(tickets, other, "VPN four")
    db.tickets.update_one({"_id": shared.id}, {"$set": {"participants": [requester.id]}})
    db.tickets.update_one({"_id": hidden.id}, {"$set": {"private": True}})
    author = Actor.from_user(moderator)
    for noted in (own, foreign):
        services.comments.add(actor=author, ticket_id=str(noted.id), text="canary", internal=True)
    admin = people.add(Role.ADMIN)

    assert numbers(search(requester, "vpn")) == [shared.number, own.number]
    assert numbers(search(moderator, "vpn")) == [shared.number, foreign.number, own.number]
    assert len(search(admin, "vpn").hits) == 4
    assert numbers(search(requester, "canary")) == []
    assert numbers(search(moderator, "canary")) == [foreign.number, own.number]
    assert numbers(search(moderator, "vpn can")) == [foreign.number, own.number]
    assert numbers(search(requester, f"#{foreign.number}")) == []
    assert numbers(search(moderator, f"{hidden.number}")) == []


def test_internal_words_of_a_private_ticket_are_not_for_its_requester(
    services: Services,
    tickets: TicketService,
    people: People,
    moderator: User,
    search: Search,
    db: Mongo,
) -> None:
    """A moderator who filed a private ticket sees it, but not the notes on it."""
    ticket = file_ticket(tickets, moderator, "Complaint")
    admin = people.add(Role.ADMIN)
    services.comments.add(
        actor=Actor.from_user(admin), ticket_id=str(ticket.id), text="canary", internal=True
    )
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"private": True}})

    assert len(search(moderator, "complaint").hits) == 1
    assert search(moderator, "canary").hits == ()
    assert search(moderator, "canar").hits == ()
    assert len(search(admin, "canar").hits) == 1


def test_pages_are_full_beside_private_tickets(
    tickets: TicketService, people: People, moderator: User, search: Search, db: Mongo
) -> None:
    filed = [file_ticket(tickets, people.add(), "Complaint") for _ in range(30)]
    hidden = [ticket.id for ticket in filed if ticket.number and ticket.number % 3 == 0]
    db.tickets.update_many({"_id": {"$in": hidden}}, {"$set": {"private": True}})
    first = search(moderator, "complaint")
    assert numbers(first) == [29, 28, 26, 25, 23, 22, 20, 19, 17, 16]
    second = search(moderator, "complaint", cursor=first.next_cursor)
    assert numbers(second) == [14, 13, 11, 10, 8, 7, 5, 4, 2, 1]
    assert second.next_cursor is None


def test_people_by_word_and_by_filter(
    db: Mongo, tickets: TicketService, people: People, moderator: User, search: Search
) -> None:
    ada = add(people, "ada@example.com", "Ada Lovelace")
    twin = add(people, "ada.byron@example.com", "Ada Byron")
    first, second = file_ticket(tickets, ada, "Mouse"), file_ticket(tickets, twin, "Screen")
    assigned = {"assignedTo": moderator.id, "status": "IN_PROGRESS"}
    db.tickets.update_one({"_id": first.id}, {"$set": assigned})

    assert numbers(search(moderator, "lovelace")) == [first.number]
    assert numbers(search(moderator, "lovel")) == []  # a beginning is one of the ticket's words
    assert numbers(search(moderator, "mona")) == [first.number]
    assert numbers(search(moderator, "mouse mona")) == [first.number]
    assert numbers(search(moderator, "from:ada@example.com")) == [first.number]
    assert numbers(search(moderator, 'from:"Ada B"')) == [second.number]
    assert numbers(search(moderator, "assignee:me")) == [first.number]
    assert numbers(search(moderator, "assignee:me from:byron")) == []

    several = search(moderator, "mo from:ada").choice
    assert several
    assert (several.by, several.typed) == (SearchFilter.REQUESTER, "ada")
    assert {user.id for user in several.people} == {ada.id, twin.id}
    text = search(moderator, "mo from:ada").query.with_person(several.by, ada.id)
    assert numbers(search(moderator, text)) == [first.number]


def test_a_requester_names_only_people_of_their_tickets(
    db: Mongo, tickets: TicketService, people: People, requester: User, search: Search
) -> None:
    assignee = add(people, "nils@example.com", "Nils Holm", Role.MODERATOR)
    add(people, "nina@example.com", "Nina")
    ticket = file_ticket(tickets, requester, "Mouse")
    db.tickets.update_one(
        {"_id": ticket.id}, {"$set": {"assignedTo": assignee.id, "status": "IN_PROGRESS"}}
    )

    assert numbers(search(requester, "assignee:ni")) == [ticket.number]
    assert numbers(search(requester, "from:me")) == [ticket.number]
    with pytest.raises(InvalidValue, match="No one is found by “nina”"):
        search(requester, "assignee:nina")


def test_status_priority_and_since(
    db: Mongo,
    tickets: TicketService,
    requester: User,
    moderator: User,
    search: Search,
    clock: FixedClock,
) -> None:
    old = file_ticket(tickets, requester, "VPN old", priority="high")
    clock.advance(days=10)
    new = file_ticket(tickets, requester, "VPN new")
    done = file_ticket(tickets, requester, "VPN done")
    cancelled = {"status": "COMPLETED", "resolution": "cancelled"}
    db.tickets.update_one({"_id": done.id}, {"$set": cancelled})

    assert numbers(search(moderator, "vpn status:open")) == [new.number, old.number]
    assert numbers(search(moderator, "status:cancelled vpn")) == [done.number]
    assert numbers(search(moderator, "vpn status:resolved")) == []
    assert numbers(search(moderator, "status:closed")) == [done.number]
    db.tickets.update_one({"_id": done.id}, {"$set": {"resolution": "not_a_request"}})
    assert numbers(search(moderator, "vpn status:not-a-request")) == [done.number]
    assert numbers(search(moderator, "vpn status:resolved")) == []
    assert numbers(search(moderator, "vpn priority:HIGH")) == [old.number]
    assert numbers(search(moderator, "vpn since:7d status:open")) == [new.number]
    assert numbers(search(moderator, "since:today")) == [done.number, new.number]
    date = (clock() - timedelta(days=10)).date()
    assert len(search(moderator, f"since:{date}").hits) == 3


def test_a_number_finds_its_ticket_first(
    tickets: TicketService, requester: User, moderator: User, search: Search
) -> None:
    first = file_ticket(tickets, requester, "Mouse")
    mentions = file_ticket(tickets, requester, f"As in {first.number}0 of {first.number}1")

    assert numbers(search(moderator, f"#{first.number}"))[0] == first.number
    assert first.number == 1
    assert numbers(search(moderator, "1")) == [1]
    assert numbers(search(moderator, "10")) == [mentions.number]


def test_skills_are_found_by_staff_only(
    db: Mongo, tickets: TicketService, requester: User, moderator: User, search: Search
) -> None:
    ticket = file_ticket(tickets, requester, "Mouse")
    db.tickets.update_one({"_id": ticket.id}, {"$set": {"search.internal": ["firewall"]}})

    assert numbers(search(moderator, "mouse firew")) == [ticket.number]
    assert numbers(search(requester, "mouse firew")) == []


def test_a_secret_is_not_found(
    tickets: TicketService, requester: User, moderator: User, search: Search
) -> None:
    file_ticket(tickets, requester, "Mail login", "password: hunter2")

    assert len(search(moderator, "login").hits) == 1
    assert search(moderator, "hunter2").hits == ()
    assert search(requester, "hunt").hits == ()


def test_japanese_and_hidden_characters(
    tickets: TicketService, requester: User, moderator: User, search: Search
) -> None:
    file_ticket(tickets, requester, "VPNに接続できない", "🔥 <!channel>")

    for typed in ("接続", "VPN 接続でき", "続", "vpn"):
        assert len(search(moderator, typed).hits) == 1, typed
    assert search(moderator, "切断").hits == ()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Write what to search for"),
        ("x" * 151, "Write at most 150 characters."),
        ("🔥 !", "Write words of at least two letters or digits."),
        ("a", "Write words of at least two letters or digits."),
        ("owner:ada", "There is no filter owner:. Use status:, priority:, assignee:, from: or"),
        ("statsu:open", "There is no filter statsu:"),
        ("status:gone", "Write open, assigned, in-progress, waiting, reopened, resolved, "),
        ("priority:big", "Write low, medium, high or urgent right after priority:."),
        ("priority:low priority:high", "Use priority: only once."),
        ("from: ada", "Write me, a name or an email address right after from:."),
        ("since:soon", "Write a date or an age, such as 2026-03-01, 7d, 2w or yesterday"),
        ("since:2026-13-01", "Write a date or an age"),
        ("from:zed", "No one is found by “zed”."),
        (" ".join(f"word{n}" for n in range(12)), "Write at most 10 words."),
    ],
)
def test_what_cannot_be_searched_for(
    moderator: User, search: Search, typed: str, sentence: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        search(moderator, typed)

    assert str(refused.value).startswith(sentence)


def test_a_colon_in_words_is_no_filter(
    tickets: TicketService, requester: User, moderator: User, search: Search
) -> None:
    file_ticket(tickets, requester, "Error:500 at http://intranet.example")

    assert len(search(moderator, "error:500 http://intra").hits) == 1


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """As among many tickets: windows, and results that are not ranked."""
    monkeypatch.setattr(word_sample, "SAMPLE_SIZE", 8)
    monkeypatch.setattr(matching, "FIRST_READ", 5)
    monkeypatch.setattr(matching, "MAX_READ", 10)
    monkeypatch.setattr(matching, "RANKED", 8)


def store(db: Mongo, requester: User, count: int, clock: FixedClock) -> None:
    """Every ticket has "all", each fourth in the title, and each third "third"; each twelfth has
    both in the title. Two have no date."""
    docs = []
    for number in range(1, count + 1):
        title = "all here" if number % 4 == 0 else "something"
        title += " third" if number % 12 == 0 else ""
        description = "all third" if number % 3 == 0 else "all"
        own = unique_words([title, description])
        words = SearchWords(own, title_count=len(title.split()), text_count=len(own))
        doc = {
            "_id": ObjectId(),
            "number": number,
            "teamId": TEAM_ID,
            "title": title,
            "description": description,
            "status": "TODO",
            "createdBy": requester.id,
            "createdAt": clock() - timedelta(minutes=(count - number) // 2),
            "search": words.to_doc(),
        }
        docs.append(doc)
    for doc in docs[:2]:
        del doc["createdAt"]
    db.tickets.insert_many(docs)


@pytest.mark.parametrize(
    "text", ["all", "al", "all third", "third al", "status:open", "from:me al"]
)
@pytest.mark.parametrize("role", ["moderator", "requester"])
@pytest.mark.usefixtures("small_windows")
def test_pages_have_every_match_once(
    db: Mongo,
    requester: User,
    moderator: User,
    search: Search,
    clock: FixedClock,
    text: str,
    role: str,
) -> None:
    store(db, requester, 60, clock)
    reader = requester if role == "requester" else moderator
    text = text.replace("me", requester.email) if role == "moderator" else text
    found: list[Any] = []
    cursor: SearchCursor | None = None

    for _ in range(30):
        page = search(reader, text, cursor=cursor, size=7)
        found += [hit.ticket for hit in page.hits]
        cursor = page.next_cursor
        if cursor is None:
            break
        assert SearchCursor.decode(cursor.encode()) == cursor
        assert len(page.hits) == 7

    expected = [n for n in range(1, 61) if "third" not in text or n % 3 == 0]
    assert sorted(ticket.number for ticket in found) == expected
    if text == "all":
        newest = [ticket.number for ticket in found[:8]]
        assert newest == [60, 56, 59, 58, 57, 55, 54, 53]
        older = [ticket.created_at for ticket in found[8:] if ticket.created_at]
        assert older == sorted(older, reverse=True)
    if "third" not in text:
        assert {ticket.number for ticket in found[-2:]} == {1, 2}


@pytest.mark.usefixtures("small_windows")
def test_the_newest_matches_of_several_words_are_ranked(
    db: Mongo,
    requester: User,
    moderator: User,
    search: Search,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(matching, "MAX_READ", 100)
    monkeypatch.setattr(matching, "RANKED", 20)
    store(db, requester, 240, clock)

    found = numbers(search(moderator, "third all", size=7))

    assert found == [240, 228, 216, 204, 192, 237, 234]


@pytest.mark.parametrize("text", ["all", "al", "third all", "status:open"])
@pytest.mark.parametrize("role", ["moderator", "requester"])
@pytest.mark.usefixtures("small_windows")
def test_an_index_serves_each_read_of_tickets(
    db: Mongo,
    watched_db: Mongo,
    commands: Commands,
    requester: User,
    moderator: User,
    clock: FixedClock,
    text: str,
    role: str,
) -> None:
    store(db, requester, 60, clock)
    service = Services(watched_db, clock=clock).search
    reader = requester if role == "requester" else moderator

    service.search(actor=Actor.from_user(reader), team_id=TEAM_ID, text=text, size=100)

    assert commands.scans(db.tickets) == []


@pytest.mark.usefixtures("small_windows")
def test_since_bounds_the_windows(
    db: Mongo, requester: User, moderator: User, search: Search, clock: FixedClock
) -> None:
    store(db, requester, 60, clock)

    assert len(search(moderator, "all since:1h", size=100).hits) == 58
    assert len(search(moderator, "al since:1h", size=3).hits) == 3


def test_a_foreign_cursor_is_none() -> None:
    for text in ("", "4..65f0c0ffee65f0c0ffee0001", "0.x.65f0c0ffee65f0c0ffee0001", "0.1.2"):
        assert SearchCursor.decode(text) is None
    assert SearchCursor.decode("1.999999999999999.65f0c0ffee65f0c0ffee0001") is None
