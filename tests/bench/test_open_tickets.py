"""The benchmarks among many open tickets measure what they say."""

from bench import open_tickets
from demo.servers import MongoServer


def test_its_figures(mongo: MongoServer) -> None:
    figures = list(open_tickets.figures(mongo.uri, few=20, many=80, due=3))
    assert [figure.name for figure in figures][2:] == [
        "see that nothing is due among 80 open tickets",
        "take one of 3 steps among 80 open tickets",
        "a page of the queue among 80 open tickets",
        "file a ticket, 8 at a time, among 80 open tickets",
    ]
    looked, swept, paged, filed = figures[2:]
    assert looked.note.endswith(" times as long as among 20")
    assert swept.note.endswith("; 6 tickets read (6 there), at most 3 at once")
    assert paged.note.endswith(" ms if all are sorted")
    assert filed.note.endswith(" stored a second")
    assert all(figure.ms > 0 for figure in figures)
