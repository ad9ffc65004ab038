from collections.abc import Iterator

import pytest

from services.models.ticket import Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tests.conftest import People, file_ticket
from tests.support.mail_server import MailServer


@pytest.fixture
def employee(people: People) -> User:
    return people.add()


@pytest.fixture
def expert(people: People) -> User:
    return people.add(Role.MODERATOR, "VPN")


@pytest.fixture
def ticket(tickets: TicketService, employee: User, expert: User) -> Ticket:
    """A ticket before any notification."""
    return file_ticket(tickets, employee, "VPN is down")


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server
