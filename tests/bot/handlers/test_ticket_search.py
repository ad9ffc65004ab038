"""Results of a search in an ephemeral message and in Home: pages, and the choice of a person."""

import pytest

from bot.views import ids
from services.core.database import Mongo
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.bot.handlers.test_ticket_lists import Reader, numbers
from tests.conftest import Bot, FixedClock, People, file_ticket
from tests.support import payloads
from tests.support.block_text import read
from tests.support.recording_slack import RecordingSlack


@pytest.fixture
def ben(ticket_bot: Bot, slack: RecordingSlack, people: People) -> Reader:
    return Reader(ticket_bot, slack, people.add(Role.MODERATOR, "VPN"))


@pytest.fixture
def twelve(tickets: TicketService, employee: User, clock: FixedClock) -> None:
    for number in range(1, 13):
        clock.advance(minutes=1)
        file_ticket(tickets, employee, title=f"Trouble {number}")


@pytest.mark.usefixtures("twelve")
def test_pages_in_a_message(ben: Reader) -> None:
    assert numbers(ben.type("search trou smoke")) == []
    assert numbers(ben.type("search smoke trou")) == list(range(12, 2, -1))
    assert numbers(ben.press(ids.SEARCH_NEXT)) == [2, 1]
    assert numbers(ben.press(ids.SEARCH_FIRST)) == list(range(12, 2, -1))


@pytest.mark.usefixtures("twelve")
def test_one_of_several_people_is_chosen(ben: Reader, employee: User, db: Mongo) -> None:
    db.users.update_many({}, {"$addToSet": {"searchKeys": "sam"}})

    assert "Several people match from:sam. Who do you mean?" in ben.type("search from:sam smoke")
    to = next(
        block["accessory"]["value"] for block in ben.shown["blocks"] if employee.email in str(block)
    )
    assert len(numbers(ben.press(ids.SEARCH_PERSON, to))) == 10


@pytest.mark.usefixtures("twelve")
def test_the_box_in_home(ticket_bot: Bot, slack: RecordingSlack, employee: User) -> None:
    user = People.slack_id(employee)
    ticket_bot.answer(payloads.home_opened(user))

    def search(typed: str) -> list[str]:
        body = payloads.block_actions(slack.home(user), ids.SEARCH_BOX, typed, user=user)
        assert ticket_bot.answer(body) == {}
        return read(slack.home(user))

    assert numbers(search("smoke")) == list(range(12, 2, -1))
    assert search("")[0].startswith("Hello")


def test_bare_search_says_what_to_write(ben: Reader) -> None:
    assert ben.type("search") == [
        "Write what to search for: a number, words of the ticket, or filters such as status:open "
        "from:me."
    ]
