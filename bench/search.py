"""Search among 100,000 tickets, compared with the same among 1,000."""

import random
import statistics
import time
from collections.abc import Iterator

from bench.desk import VOCABULARY, Desk
from bench.history import BOSS
from bench.measure import Limit, Round, Row
from bench.stand import Stand
from services.models.permissions import Actor
from services.models.user import Role
from tests.support.slack_workspace import TEAM_ID

QUERIES, ROUNDS = 50, 3
MAX_P95_MS = 100


def queries() -> list[tuple[str, Actor]]:
    """Return what is typed, and by whom: half of the words by how often they are used, half any."""
    drawn = random.Random(3)  # noqa: S311  the same in each run
    chosen = ["zzyzx", VOCABULARY[0], VOCABULARY[40][:2], " ".join(VOCABULARY[:4]), "#77"]
    chosen += ["status:open", f"{VOCABULARY[2]} priority:medium", f"{VOCABULARY[9]} since:90d"]
    while len(chosen) < QUERIES:
        words = [drawn.choice(VOCABULARY[: drawn.choice((30, 300, 3_000))])]
        words += [drawn.choice(VOCABULARY[:100]) for _ in range(len(chosen) % 4)]
        words[-1] = words[-1][: drawn.choice((3, 30))]
        chosen.append(" ".join(words))
    return [(text, BOSS) for text in chosen]


def search(stand: Stand) -> Iterator[Row]:
    asked = queries()
    seconds: dict[Desk, list[float]] = {}

    def work(desk: Desk) -> Round:
        for text, actor in asked:
            begun = time.perf_counter()
            desk.services.search.search(actor=actor, team_id=TEAM_ID, text=text)
            seconds.setdefault(desk, []).append(time.perf_counter() - begun)
        return Round(len(asked))

    def p95() -> float:
        slowest = max(seconds.values(), key=statistics.mean)
        return statistics.quantiles(slowest[len(asked) :], n=20)[-1] * 1_000

    yield stand.desks.compare(
        f"search for {QUERIES} texts among {stand.sizes.many:,} tickets *",
        work,
        limits=lambda *_: {"p95 ms": Limit(p95(), MAX_P95_MS)},
        rounds=min(stand.sizes.rounds, ROUNDS),
    )
    requester = stand.desks.large.requesters[0]
    own = Actor(requester, Role.USER)
    asked[:] = [(text, own) for text, _ in asked]
    seconds.clear()
    yield stand.desks.compare(
        f"search in one's own tickets among {stand.sizes.many:,} tickets",
        work,
        limits=lambda *_: {"p95 ms": Limit(p95(), MAX_P95_MS)},
        rounds=min(stand.sizes.rounds, ROUNDS),
    )
