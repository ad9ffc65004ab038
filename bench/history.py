"""What people and jobs do among 100,000 tickets, compared with the same among 1,000."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

from bson import ObjectId

from bench.desk import FIRST_DUE_AT, Desk, DeskWork, repeat
from bench.measure import Cost, Limit, Round, Row
from bench.stand import Stand
from bot.web.prometheus import MetricsPage
from services.home.sessions import Screen
from services.lists.list_query import ListKind, ListQuery
from services.lists.list_service import ticket_list_page
from services.models.events import EventType, NewEvent
from services.models.permissions import Actor
from services.models.ticket import Ticket
from services.models.user import Role
from services.ops.ticket_counts import count_tickets
from services.tickets import ticket_store
from services.tickets.transitions import Change
from tasks import escalation as escalation_task
from tasks.queue.celery_app import celery
from tasks.queue.publisher import CeleryPublisher
from tasks.queue.waiting_tasks import WaitingTasks
from tests.support.slack_workspace import TEAM_ID

FILED_COUNT, CONCURRENCY = 40, 8
BOSS = Actor(ObjectId("b055" * 6), Role.ADMIN)
_EDIT = NewEvent(EventType.EDITED, by="system", field="title", from_="a", to="b")


def lists(stand: Stand) -> Iterator[Row]:
    many = f"among {stand.sizes.many:,} tickets"
    rows: Sequence[tuple[str, DeskWork, float]] = (
        ("a page of one's own tickets", _own_list, 2),
        ("a page of assigned tickets", _assigned_list, 2),
        ("Home of a user", lambda desk: _home(desk, desk.requesters[0], Role.USER), 2),
        ("Home of a moderator", lambda desk: _home(desk, desk.team[0], Role.MODERATOR), 4),
    )
    for name, work, at_most in rows:
        yield stand.desks.compare(
            f"{name} {many}",
            repeat(work, stand.sizes.operations),
            at_most=at_most,
            is_embedded=at_most > 2,
            rounds=stand.sizes.rounds,
        )
    desks = stand.open_desks
    queue = f"page of the queue among {stand.sizes.many:,} open tickets"
    for name, work in ((f"a {queue}", _queue_page), (f"a moderator's {queue}", _team_queue_page)):
        yield desks.compare(
            name,
            repeat(work, stand.sizes.operations),
            at_most=4,
            is_embedded=True,
            rounds=stand.sizes.rounds,
        )
    for name, work in (
        ("a moderator's page of the queue", _team_queue_page),
        ("a page of one's own tickets", _own_list),
    ):
        yield desks.compare(
            f"{name}, a third of {stand.sizes.many:,} private",
            repeat(work, stand.sizes.operations),
            desks=(desks.often_private, desks.large),
            called="none private",
            at_most=2,
            rounds=stand.sizes.rounds,
        )


def change(stand: Stand) -> Iterator[Row]:
    yield stand.desks.compare(
        f"change one ticket among {stand.sizes.many:,}",
        repeat(_change, stand.sizes.operations),
        at_most=2,
        is_embedded=True,
        rounds=stand.sizes.rounds,
    )
    yield stand.open_desks.compare(
        f"file a ticket, {CONCURRENCY} at a time, among {stand.sizes.many:,} open",
        _file,
        at_most=2,
        rounds=stand.sizes.rounds,
    )


def metrics(stand: Stand) -> Iterator[Row]:
    yield stand.desks.compare(
        f"/metrics with {stand.sizes.many:,} tickets",
        repeat(_scrape, stand.sizes.operations),
        limits=lambda ours, _: {"ms": Limit(ours.ms, 20)},
        rounds=stand.sizes.rounds,
    )


def escalation(stand: Stand) -> Iterator[Row]:
    yield stand.open_desks.compare(
        f"see that nothing is due among {stand.sizes.many:,} open tickets",
        repeat(_sweep, stand.sizes.operations),
        at_most=2,
        limits=_fifty_ms,
        rounds=stand.sizes.rounds,
    )

    def sweep(desk: Desk) -> Round:
        desk.now = max(desk.now, FIRST_DUE_AT) + timedelta(seconds=stand.sizes.due)
        return Round(_sweep(desk))

    yield stand.open_desks.compare(
        f"take a step that is due among {stand.sizes.many:,} open tickets",
        sweep,
        at_most=2,
        limits=_fifty_ms,
        rounds=stand.sizes.rounds,
    )


def _fifty_ms(ours: Cost, _: Cost) -> Mapping[str, Limit]:
    return {"ms": Limit(ours.ms, 50)}


def _own_list(desk: Desk) -> object:
    actor = Actor(desk.requesters[0], Role.USER)
    return ticket_list_page(desk.db, actor=actor, list_query=ListQuery(ListKind.OWN))


def _assigned_list(desk: Desk) -> object:
    actor = Actor(desk.team[0], Role.MODERATOR)
    return ticket_list_page(desk.db, actor=actor, list_query=ListQuery(ListKind.ASSIGNED))


def _queue_page(desk: Desk, actor: Actor = BOSS) -> object:
    return ticket_list_page(desk.db, actor=actor, list_query=ListQuery(ListKind.QUEUE))


def _team_queue_page(desk: Desk) -> object:
    """Read it as a moderator, without the private tickets of others."""
    return _queue_page(desk, Actor(desk.team[0], Role.MODERATOR))


def _home(desk: Desk, user_id: ObjectId, role: Role) -> object:
    actor = Actor(user_id, role)
    return desk.services.home.get(actor=actor, team_id=TEAM_ID, screen=Screen())


def _change(desk: Desk) -> None:
    doc = desk.db.tickets.find_one({"teamId": TEAM_ID, "number": next(desk.numbers)})
    ticket = Ticket.from_doc(doc or {})
    edit = Change({"title": "b"}, (_EDIT,))
    if ticket_store.apply(desk.db, ticket, edit, now=desk.now) is None:
        raise RuntimeError("another process changes the tickets of the benchmark")


def _file(desk: Desk) -> Round:
    def one(_: int) -> bool:
        return desk.services.tickets.create(
            actor=Actor(ObjectId(), Role.USER),  # a new requester, because of the rate limit
            team_id=TEAM_ID,
            request_id=uuid.uuid4().hex,
            title="The VPN is down",
            description="It does not work. " * 20,
        ).is_new

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        return Round(sum(pool.map(one, range(FILED_COUNT))))


def _scrape(desk: Desk) -> object:
    page = MetricsPage(
        own=dict,
        shared=dict,
        tickets=lambda: count_tickets(desk.db, clock=lambda: desk.now),
        is_mongodb_up=lambda: True,
        is_writable=lambda: True,
    )
    return page()


class _NullPublisher(CeleryPublisher):
    """Drops what is published."""

    def __init__(self) -> None:
        super().__init__(celery)

    def send(self, task: str, ticket_id: str | None = None, **kwargs: Any) -> None: ...

    def waiting_tasks(self) -> WaitingTasks:
        return WaitingTasks()


def _sweep(desk: Desk) -> int:
    return escalation_task.take_due_steps(
        desk.services.escalation_steps, _NullPublisher(), should_continue=lambda: True
    )
