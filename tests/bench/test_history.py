"""The benchmarks with a long history measure what they say."""

from bench import history
from demo.servers import MongoServer


def test_its_figures(mongo: MongoServer) -> None:
    figures = list(history.figures(mongo.uri, few=420, many=440, crisis=410))
    assert [figure.name for figure in figures] == [
        "a page of one's own tickets among 440 tickets",
        "a page of assigned tickets among 440 tickets",
        "Home of a user among 440 tickets",
        "Home of a moderator among 440 tickets",
        "change one ticket among 440 tickets",
        "choose among 50 moderators, 400 of 440 tickets open",
        "/metrics with 440 tickets",
        "choose among 50 moderators, 410 tickets open",
    ]
    assert all(figure.ms > 0 for figure in figures)
    assert figures[0].note.endswith(" times as long as among few, at most 2")


def test_what_is_measured_finds_what_it_looks_for(mongo: MongoServer) -> None:
    desk = history.Desk(mongo.uri, size=420)
    assert len(desk.own_list().tickets) > 0
    assert len(desk.assigned_list().tickets) == 8
    assert desk.choose() is not None
    desk.close()
