"""Half of the model's answers fail in every way, under load, with real workers."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pytest

from demo.servers import RedisServer
from services.core.database import Mongo
from services.models.ticket import Status, Ticket
from services.models.user import Role, User
from services.tickets.filing import TicketService
from tasks.queue.publisher import CeleryPublisher
from tests.conftest import People, file_ticket
from tests.support.aimock import BareGemini, Received, Reply, answer_text, gemini_body
from tests.support.processes import Product, celery_for, eventually, is_outbox_empty

pytest_plugins = ["tests.support.product"]

TICKETS, EACH_FILES, WORKERS = 500, 20, 2
SKILLS = ("VPN", "Printer", "SAP", "Payroll", "Kubernetes")
EXPERTS_A_SKILL = 2
NUMBER = re.compile(r"Title: Case (\d+):")
GOOD = "answers"
TIMEOUT = "timeout"


@dataclass(frozen=True)
class Fault:
    """A failure of the model, and the reason stored in the ticket."""

    reply: Reply
    said: str


def good(number: int) -> Reply:
    """Return an answer with another skill than the text, so that the skills show its source."""
    return Reply(gemini_body(answer_text(skills=[skill_read(number)])))


FAULTS: Mapping[str, Fault] = {
    "says 500": Fault(Reply({"error": {"code": 500}}, status=500), "unavailable"),
    "says 503": Fault(Reply(b"", status=503), "unavailable"),
    "says 429": Fault(Reply({"error": {"code": 429}}, status=429), "quota"),
    "says 403": Fault(Reply({"error": {"code": 403}}, status=403), "refused_key"),
    "is malformed": Fault(Reply(b"<html>Bad gateway</html>"), "unreadable"),
    "is slow": Fault(Reply(gemini_body(answer_text()), wait=3), TIMEOUT),
    "drips": Fault(Reply(gemini_body(answer_text()), drip=30), TIMEOUT),
    "is truncated": Fault(Reply(gemini_body('{"summary": "The', finish="MAX_TOKENS")), "truncated"),
    "breaks off": Fault(
        Reply(gemini_body(answer_text()), headers={"Connection": "close"}, promise=100),
        "unavailable",
    ),
    "is blocked": Fault(Reply({"promptFeedback": {"blockReason": "SAFETY"}}), "blocked"),
    "is empty": Fault(Reply({}), "empty"),
    "is off the schema": Fault(Reply(gemini_body('{"assignee": "the CEO"}')), "off_schema"),
    "resets the connection": Fault(Reply(reset=True), "unavailable"),
}


def kind(number: int) -> str:
    """Return how the model answers: every second ticket fails, in rotating ways."""
    return list(FAULTS)[number // 2 % len(FAULTS)] if number % 2 else GOOD


def skill_written(number: int) -> str:
    return SKILLS[number % len(SKILLS)]


def skill_read(number: int) -> str:
    return SKILLS[(number + 1) % len(SKILLS)]


def number_of(received: Received) -> int:
    text = received.body["contents"][0]["parts"][0]["text"]
    found = NUMBER.search(text)
    assert found
    return int(found[1])


def decide(received: Received) -> Reply:
    number = number_of(received)
    return good(number) if kind(number) == GOOD else FAULTS[kind(number)].reply


def filed(people: People, tickets: TicketService) -> list[str]:
    """File the tickets, within each requester's hourly limit, and return their ids."""
    requesters = [people.add() for _ in range(TICKETS // EACH_FILES)]
    return [
        str(
            file_ticket(
                tickets,
                requesters[number // EACH_FILES],
                f"Case {number}: {skill_written(number)}",
                "It does not work.",
            ).id
        )
        for number in range(TICKETS)
    ]


def experts(people: People) -> dict[str, set[object]]:
    """Return the experts' ids by skill."""

    def add(skill: str) -> User:
        return people.add(Role.MODERATOR, skill, capacity=TICKETS)

    return {skill: {add(skill).id for _ in range(EXPERTS_A_SKILL)} for skill in SKILLS}


@dataclass(frozen=True)
class Outcome:
    """The source of a ticket's analysis, and the model's failure."""

    source: str
    failure: str | None

    @classmethod
    def of(cls, ticket: Ticket) -> "Outcome":
        return cls(ticket.assignment["source"], ticket.assignment["analysis"]["failure"])


def is_valid(number: int, outcome: Outcome) -> bool:
    """On a busy machine any answer may time out."""
    if outcome == Outcome("router", TIMEOUT):
        return True
    if kind(number) == GOOD:
        return outcome == Outcome("gemini", None)
    return outcome == Outcome("router", FAULTS[kind(number)].said)


def table(outcomes: Mapping[int, Outcome]) -> str:
    rows = [f"{'Gemini':<22} {'tickets':>7} {'Gemini':>7} {'router':>7}  which says"]
    for name in (GOOD, *FAULTS):
        found = [outcome for number, outcome in outcomes.items() if kind(number) == name]
        by = Counter(outcome.source for outcome in found)
        said = Counter(outcome.failure for outcome in found if outcome.failure)
        why = ", ".join(f"{count} {failure}" for failure, count in said.most_common()) or "nothing"
        rows.append(f"{name:<22} {len(found):>7} {by['gemini']:>7} {by['router']:>7}  {why}")
    by = Counter(outcome.source for outcome in outcomes.values())
    rows.append(f"{'together':<22} {len(outcomes):>7} {by['gemini']:>7} {by['router']:>7}")
    return "\n" + "\n".join(rows)


def in_order(db: Mongo, ids: Sequence[str]) -> list[Ticket]:
    stored = {str(doc["_id"]): Ticket.from_doc(doc) for doc in db.tickets.find()}
    return [stored[ticket_id] for ticket_id in ids]


@pytest.mark.long
@pytest.mark.timeout(480)
def test_every_ticket_is_assigned_once_by_a_path_that_says_which(
    product: Product,
    redis: RedisServer,
    people: People,
    tickets: TicketService,
    db: Mongo,
    record_property: Callable[[str, object], None],
) -> None:
    by_skill = experts(people)
    ids = filed(people, tickets)
    publisher = CeleryPublisher(celery_for(redis.url))
    with BareGemini(decide) as gemini:
        for _ in range(WORKERS):
            product.start(
                "worker",
                GEMINI_API_KEY="key",
                GEMINI_API_URL=gemini.url,
                GEMINI_TIMEOUT="1",
            )
        for ticket_id in ids:
            for _ in range(2):  # two workers get it at the same time
                publisher.publish_ticket(ticket_id)
        eventually(lambda: is_outbox_empty(db), what="everybody was told", seconds=400)
        asked = Counter(number_of(received) for received in gemini.received)
    found = dict(enumerate(in_order(db, ids)))
    outcomes = {number: Outcome.of(ticket) for number, ticket in found.items()}
    record_property("fault_run", table(outcomes))

    assert asked == dict.fromkeys(range(TICKETS), 1)
    for number, ticket in found.items():
        outcome = outcomes[number]
        assert is_valid(number, outcome), (kind(number), outcome)
        named, suggested = skill_written(number), skill_read(number)
        skills = {named, suggested} if outcome.source == "gemini" else {named}
        assert ticket.status is Status.IN_PROGRESS
        assert set(ticket.related_skills) == skills
        assert ticket.assigned_to in by_skill[named]
        assert [event.type for event in ticket.events] == [
            "filed",
            "analysed",
            "assigned",
            "status_changed",
        ]
        assert sorted(card.kind for card in ticket.cards) == ["assignee", "requester"]
    assert {outcome.source for outcome in outcomes.values()} == {"gemini", "router"}
