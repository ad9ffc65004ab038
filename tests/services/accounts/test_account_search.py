"""Search of accounts, in pages."""

import pytest
from bson import ObjectId

from services.accounts import account_search
from services.accounts.account_search import MAX_SEARCH_LENGTH, AccountCursor, AccountPage
from services.accounts.users import UserService
from services.core.database import Mongo
from services.models.permissions import OPERATOR


def emails(page: AccountPage) -> list[str]:
    return [user.email for user in page.users]


def search(db: Mongo, text: str) -> list[str]:
    return emails(account_search.account_page(db, AccountCursor(search=text)))


@pytest.fixture
def three(users: UserService, db: Mongo) -> None:
    users.create(actor=OPERATOR, email="Nils.Bell@example.com", name="Nils Ångström")
    users.create(actor=OPERATOR, email="lara@example.com", name="Lara (IT) Bell")
    db.users.insert_one({"email": " PIA@other.example ", "password": "x", "role": "moderator"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["lara@example.com", "Nils.Bell@example.com", " PIA@other.example "]),
        ("bell", ["lara@example.com", "Nils.Bell@example.com"]),
        ("BEL nil", ["Nils.Bell@example.com"]),
        ("ångs", ["Nils.Bell@example.com"]),
        ("pia@OTHER", [" PIA@other.example "]),
        ("(it)", ["lara@example.com"]),
        ("ell", []),
        (".*", []),
        ("^n", []),
        ("$gt", []),
        ("a b c d e f g h", []),
    ],
)
def test_every_word_begins_a_word_of_name_or_address(
    db: Mongo, three: None, text: str, found: list[str]
) -> None:
    assert search(db, text) == found


def test_an_account_made_later_is_found_too(db: Mongo, three: None) -> None:
    assert search(db, "new") == []
    db.users.insert_one({"email": "new@example.com"})  # the legacy backend still creates accounts
    assert search(db, "new") == ["new@example.com"]


def test_it_reads_accounts_without_an_address(db: Mongo) -> None:
    db.users.insert_many([{"role": "user"}, {"email": None, "role": "user"}])
    assert emails(account_search.account_page(db, AccountCursor())) == ["", ""]


def walk(db: Mongo, place: AccountCursor) -> list[list[str]]:
    pages = [account_search.account_page(db, place)]
    while following := pages[-1].next:
        pages.append(account_search.account_page(db, following))
    return [emails(page) for page in pages]


def test_two_hundred_people_stand_on_twenty_pages(db: Mongo) -> None:
    db.users.insert_many([{"email": f"p{n:03d}@example.com"} for n in reversed(range(200))])
    pages = walk(db, AccountCursor())
    assert [len(page) for page in pages] == [10] * 20
    assert [email for page in pages for email in page] == [
        f"p{n:03d}@example.com" for n in range(200)
    ]
    assert walk(db, AccountCursor(search="p01")) == [
        [f"p{n:03d}@example.com" for n in range(10, 20)]
    ]


def test_accounts_with_one_address_are_each_listed_once(db: Mongo) -> None:
    db.users.insert_many([{"email": "same@example.com", "name": str(n)} for n in range(25)])
    first = account_search.account_page(db, AccountCursor())
    assert first.next is not None
    second = account_search.account_page(db, first.next)
    assert second.next is not None
    third = account_search.account_page(db, second.next)
    names = [user.name for page in (first, second, third) for user in page.users]
    assert len(names) == len(set(names)) == 25
    assert third.next is None


def test_there_and_back(db: Mongo) -> None:
    db.users.insert_many([{"email": f"p{n:02d}@example.com"} for n in range(25)])
    first = account_search.account_page(db, AccountCursor(search="p"))
    second = account_search.account_page(db, first.next or AccountCursor())
    third = account_search.account_page(db, second.next or AccountCursor())
    assert (first.previous, third.next) == (None, None)
    back = account_search.account_page(db, third.previous or AccountCursor())
    assert emails(back) == emails(second)
    again = account_search.account_page(db, back.previous or AccountCursor())
    assert emails(again) == emails(first)
    assert (again.cursor, again.previous) == (AccountCursor(search="p"), None)


def test_a_page_that_has_emptied_is_the_first(db: Mongo) -> None:
    db.users.insert_many([{"email": f"p{n:02d}@example.com"} for n in range(11)])
    last = account_search.account_page(
        db, account_search.account_page(db, AccountCursor()).next or AccountCursor()
    )
    place = last.cursor
    db.users.delete_one({"email": "p10@example.com"})
    assert emails(account_search.account_page(db, place)) == [
        f"p{n:02d}@example.com" for n in range(10)
    ]
    db.users.delete_one({"_id": place.anchor_id})
    assert emails(account_search.account_page(db, place)) == [
        f"p{n:02d}@example.com" for n in range(9)
    ]


@pytest.mark.parametrize(
    "place",
    [
        AccountCursor(),
        AccountCursor(search="nils | ~ % ü \U0001f600"),
        AccountCursor(search="x" * MAX_SEARCH_LENGTH, anchor_id=ObjectId(), is_backward=True),
        AccountCursor(anchor_id=ObjectId()),
    ],
)
def test_a_cursor_fits_a_button_and_comes_back(place: AccountCursor) -> None:
    written = place.encode()
    assert "|" not in written
    assert len(written) < 1_500
    assert AccountCursor.decode(written) == place


@pytest.mark.parametrize("text", ["", "nonsense", "<~", ">zz~", "x~", ">" + "a" * 25 + "~"])
def test_what_was_never_written_is_no_place(text: str) -> None:
    assert AccountCursor.decode(text) is None


def test_a_search_is_one_line_of_moderate_length() -> None:
    assert account_search.checked_search(" nils\n\u202e bell ") == "nils bell"
    assert len(account_search.checked_search("x" * 500)) == MAX_SEARCH_LENGTH
