"""A Slack status makes a moderator absent: others get the tickets until it ends."""

from datetime import timedelta
from typing import Any

from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.installation import claim_installation
from services.models.ticket import Ticket
from services.models.user import Role, User
from services.registry.services import Services
from tasks.processes.scheduler import Scheduler
from tests.conftest import FixedClock, People
from tests.support import payloads
from tests.support.block_text import read
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.canary import FILED
from tests.support.http_bot import HttpBot
from tests.support.processes import Product, eventually, is_outbox_empty
from tests.support.recording_slack import RecordingSlack
from tests.support.slack_workspace import TEAM_ID

pytest_plugins = ["tests.support.product", "tests.support.scenario"]

Json = dict[str, Any]


def status(slack: RecordingSlack, user: User, emoji: str = "", until: float = 0) -> Json:
    """Set the member's status and return Slack's event."""
    profile = {"status_text": "", "status_emoji": emoji, "status_expiration": int(until)}
    member = slack.add_member(
        People.slack_id(user), email=user.email, name=user.display_name, profile=profile
    )
    return payloads.event({"type": "user_change", "user": member})


def test_a_palm_tree_until_friday(
    services: Services, system: BotAndWorkers, people: People, clock: FixedClock
) -> None:
    claim_installation(system.db, team_id=TEAM_ID)
    nils, requester = people.add(Role.MODERATOR, "VPN"), people.add()

    def filed(title: str) -> Ticket:
        return system.now(system.file(requester, title))

    first = filed("VPN drops")
    assert first.assigned_to == nils.id

    friday = clock() + timedelta(days=4)
    system.bot.answer(status(system.slack, nils, ":palm_tree:", friday.timestamp()))
    system.work()
    offer = system.card(nils, -1)
    assert offer["text"] == "You have 1 open ticket. Should someone else take it?"

    # The only moderator with the skill is absent.
    second = filed("VPN drops again")
    assert second.assigned_to is None

    system.press(nils, offer, "hand_over", response_url=system.slack.response_url())
    system.work()
    assert system.now(first).assigned_to is None
    lara = people.add(Role.MODERATOR, "VPN", capacity=1)  # which retries unassigned tickets
    clock.advance(seconds=20)
    jobs = Scheduler(services, system.publisher)
    jobs.renew_leadership()
    jobs.run("sweep")
    system.work()
    taken = [system.now(ticket).assigned_to for ticket in (first, second)]
    assert sorted(map(str, taken)) == sorted(["None", str(lara.id)])

    # The absence ends on Friday; new tickets are assigned to Nils again.
    clock.now = friday
    status(system.slack, nils)
    jobs.renew_leadership()
    jobs.run("availability")
    jobs.run("sweep")
    system.work()
    assert "away" not in (system.db.users.find_one({"_id": nils.id}) or {})
    third = filed("VPN drops for the third time")
    assert third.assigned_to == nils.id


def test_the_same_with_real_processes(
    product: Product, slack: RecordingSlack, people: People, db: Mongo
) -> None:
    http_bot = HttpBot(product)
    product.start("worker")
    nils = people.add(Role.MODERATOR, "VPN")
    his, employee = people.slack_id(nils), people.slack_id(people.add())
    http_bot.answer(http_bot.filled_in(slack, employee, title="VPN drops"))
    eventually(lambda: is_outbox_empty(db), what="Nils has it")
    assert (db.tickets.find_one(FILED) or {})["assignedTo"] == nils.id

    until = utcnow() + timedelta(days=4)
    assert http_bot.answer(status(slack, nils, ":palm_tree:", until.timestamp())) == {}
    asks = "You have 1 open ticket. Should someone else take it?"
    eventually(lambda: slack.messages(his)[-1]["text"] == asks, what="he is asked")
    lara = people.add(Role.MODERATOR, "VPN")
    press = payloads.block_actions(slack.messages(his)[-1], "hand_over", user=his)
    press["response_url"] = slack.response_url()
    assert http_bot.answer(press) == {}
    (answer,) = slack.wait_for("response_url")
    assert read(answer.args) == ["Handed over: your 1 open ticket. Its card says who has it now."]

    def is_hers() -> bool:
        return (db.tickets.find_one(FILED) or {})["assignedTo"] == lara.id and is_outbox_empty(db)

    eventually(is_hers, what="Lara has it")
    (card,) = (message for message in slack.messages(his) if "Ticket 1" in message["text"])
    assert card["text"].endswith(f"It was handed over. {lara.name} has it now.")
    assert http_bot.answer(status(slack, nils)) == {}
    back = {"_id": nils.id, "away": None}
    eventually(lambda: db.users.count_documents(back) == 1, what="Nils is back")
