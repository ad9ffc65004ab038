"""Search among 100,000 tickets, compared with the same among 1,000."""

import random
import statistics
import time
from collections.abc import Callable, Iterator

from bench.desk import VOCABULARY, Desk
from bench.history import BOSS
from bench.measure import Limit, Round, Row
from bench.stand import Stand
from services.models.permissions import Actor
from services.models.user import Role
from tests.support.slack_workspace import TEAM_ID

QUERIES, ROUNDS = 50, 3
MAX_P95_MS = 100


def queries(desk: Desk) -> list[str]:
    """Return what people type: one to four words of a ticket that they remember, the last one often
    only begun; and the extremes."""
    drawn = random.Random(3)  # noqa: S311  the same in each run
    commonest, middle = VOCABULARY[0], VOCABULARY[40]
    chosen = [commonest, middle[:2], "zzyzx", f"{commonest} zzyzx", " ".join(VOCABULARY[:4])]
    chosen += ["#77", "status:open", f"{middle} priority:medium", f"{commonest} since:90d"]
    while len(chosen) < QUERIES:
        number = drawn.randint(1, desk.size)
        doc = desk.db.tickets.find_one({"teamId": TEAM_ID, "number": number}) or {}
        words = drawn.sample(doc["search"]["public"], k=1 + len(chosen) % 4)
        if len(chosen) % 2:
            words[-1] = words[-1][:3]
        if (text := " ".join(words)) not in chosen:
            chosen.append(text)
    return chosen


def search(stand: Stand) -> Iterator[Row]:
    yield _search(stand, f"search for {QUERIES} texts among", lambda _: BOSS)
    yield _search(
        stand,
        "search in one's own tickets among",
        lambda desk: Actor(desk.requesters[0], Role.USER),
    )


def _search(stand: Stand, name: str, actor_of: Callable[[Desk], Actor]) -> Row:
    asked = {id(desk): queries(desk) for desk in stand.desks.both}
    seconds: list[float] = []  # among many

    def work(desk: Desk) -> Round:
        actor = actor_of(desk)
        for text in asked[id(desk)]:
            begun = time.perf_counter()
            desk.services.search.search(actor=actor, team_id=TEAM_ID, text=text)
            if desk is stand.desks.large:
                seconds.append(time.perf_counter() - begun)
        return Round(QUERIES)

    return stand.desks.compare(
        f"{name} {stand.sizes.many:,} tickets",
        work,
        limits=lambda *_: {"p95 ms": Limit(_p95_ms(seconds), MAX_P95_MS)},
        rounds=min(stand.sizes.rounds, ROUNDS),
        is_embedded=True,
    )


def _p95_ms(seconds: list[float]) -> float:
    """Without the first round, a warm-up."""
    return statistics.quantiles(seconds[QUERIES:], n=20)[-1] * 1_000
