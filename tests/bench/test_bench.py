"""The benchmarks measure what they say; the times do not matter here."""

from bench import choosing
from bench.figures import Figure, milliseconds, table
from services.assignment.candidate_pool import LARGE_TEAM_SIZE
from services.assignment.ranking import choose_assignee
from services.core.database import Mongo


def test_a_table_of_figures() -> None:
    figures = [
        Figure("one", 12.34, 25, 49.36),
        Figure("another", 0.5, 50, 1_000),
        Figure("third", 0.5, 50, note="of three"),
    ]
    assert table(figures).splitlines() == [
        "           ms  bound  plain way    ratio",
        "one      12.3     25       49.4     4.0x",
        "another   0.5     50     1000.0  2000.0x",
        "third     0.5     50                      of three",
    ]


def test_work_is_done_once_more_than_it_is_counted() -> None:
    done: list[int] = []
    assert milliseconds(lambda: done.append(1), rounds=3) > 0
    assert len(done) == 4


def test_both_ways_come_to_the_same_choice() -> None:
    team = choosing.candidates(60)
    quick = choose_assignee(
        candidates=team, skills=choosing.NEEDED, requester=None, now=choosing.NOW
    )
    plain = choosing.baseline(team, choosing.NEEDED)
    assert quick is not None
    assert plain is not None
    assert plain.user_id == quick.user_id


def test_what_is_asked_in_a_database_is_found(db: Mongo) -> None:
    figures = list(choosing.measure_database(db, people=LARGE_TEAM_SIZE + 50))
    assert [figure.name for figure in figures] == [
        "choose among 250, queries included, two skills",
        "choose among 250, queries included, no skill",
    ]
    assert all(figure.ms > 0 and figure.bound == 50 for figure in figures)
