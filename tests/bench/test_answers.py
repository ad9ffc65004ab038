"""The comparison of a bot process with plain servers measures what it says."""

from bench import answers


def test_its_figures() -> None:
    filed, one, created, short, long = answers.figures(rounds=1, requests=12, long_list=120)
    assert [figure.name for figure in (filed, one, created, short, long)] == [
        "file a ticket, 10 at a time",
        "file a ticket, one at a time",
        "POST /api/tickets, 10 at a time",
        "GET 10 own tickets, 10 at a time",
        "GET the newest 100 of 120 own tickets",
    ]
    assert filed.note.endswith("; 3 trips")
    assert created.note.endswith("; 3 trips")
    assert short.note.endswith("; 2 trips")
    assert all(figure.baseline_ms for figure in (filed, one, created, short))
