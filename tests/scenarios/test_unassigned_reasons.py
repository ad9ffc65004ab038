"""The alert to the admins says of each colleague why they cannot take the ticket."""

from datetime import timedelta

import pytest

from services.models.ticket import Ticket
from services.models.user import Role, User
from tests.conftest import FixedClock, People, file_ticket
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.canary import FILED
from tests.support.escalation_day import texts

pytest_plugins = ["tests.support.scenario"]

AGAIN = "We try again every few minutes and as soon as someone is available."


@pytest.fixture
def boss(people: People) -> User:
    return people.add(Role.ADMIN, name="Ada <b>", capacity=0)


def why(system: BotAndWorkers, boss: User) -> str:
    system.send_due_reminders()
    (alert,) = system.messages(boss)
    return next(text for text in texts(alert) if text.startswith("No one is available"))


def file(system: BotAndWorkers, requester: User, title: str) -> Ticket:
    ticket = file_ticket(system.tickets, requester, title)
    system.work(ticket)
    return system.now(ticket)


def test_it_names_who_is_out_and_who_is_full(
    system: BotAndWorkers, clock: FixedClock, people: People, ann: User, boss: User
) -> None:
    back, soon = clock() + timedelta(days=5), clock() + timedelta(hours=3)
    people.add(Role.MODERATOR, "VPN", name="Nils", away={"until": back, "source": "self"})
    people.add(Role.MODERATOR, "VPN", name="Otto", away={"until": soon, "source": "self"})
    lara = people.add(Role.MODERATOR, "VPN", name="Lara", capacity=1)
    people.add(Role.MODERATOR, "VPN", name="Mo", linked=False)
    people.add(Role.MODERATOR, "Printer", name="Cleo")
    asker = people.add(Role.MODERATOR, "VPN", name="Zoe")
    file(system, ann, "The VPN drops")
    system.db.tickets.update_many(FILED, {"$set": {"assignedTo": lara.id}})
    file(system, asker, "The VPN is slow")
    day = f"<!date^{int(back.timestamp())}^{{date_short_pretty}}|{back:%-d %b %Y}>"
    time = (
        f"<!date^{int(soon.timestamp())}^{{date_short_pretty}} at {{time}}"
        f"|{soon:%-d %b %Y, %H:%M} UTC>"
    )
    said = why(system, boss)
    assert said.startswith("No one is available: ")
    assert said.endswith(f". {AGAIN}")
    reasons = said.removeprefix("No one is available: ").removesuffix(f". {AGAIN}")
    for reason in (
        f"Nils is out until {day}",
        f"Otto is out until {time}",
        "Lara has 1 of 1",
        "Mo is not in Slack",
        "Zoe filed it",
        "Ada &lt;b&gt; takes no tickets",
        "Cleo has no skill for it",
    ):
        assert reason in reasons
    # First those who know the skill.
    assert reasons.index("Lara") < reasons.index("Cleo")


def test_of_several_tickets_it_names_each_colleague_once(
    system: BotAndWorkers, people: People, ann: User, boss: User
) -> None:
    for number in range(9):
        people.add(Role.MODERATOR, name=f"Moderator {number}", capacity=0)
    for title in ("The roof leaks", "The door jams"):
        file(system, ann, title)
    said = why(system, boss)
    assert said.count("takes no tickets") == 8
    assert said.endswith(f", and 2 more. {AGAIN}")


def test_a_colleague_who_had_it_before_is_named(
    system: BotAndWorkers, people: People, ann: User, boss: User
) -> None:
    nils = people.add(Role.MODERATOR, "VPN", name="Nils")
    assert file(system, ann, "The VPN drops").assigned_to == nils.id
    system.press(nils, system.card(nils), "not_mine")
    system.submit(nils)
    system.work()
    assert why(system, boss) == (
        f"No one is available: Nils had it before, Ada &lt;b&gt; takes no tickets. {AGAIN}"
    )
