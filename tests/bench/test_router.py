from pathlib import Path

import pytest

from bench import router
from bench.router import Row, interval, main, measure
from tests.support.resolved_tickets import examples


@pytest.fixture(scope="module")
def tickets() -> list[Row]:
    return [Row(example.text, example.labels[0]) for example in examples(1_200)]


def write(path: Path, rows: list[Row]) -> str:
    lines = [f'"{row.text}",{row.group}' for row in rows]
    path.write_text("\n".join(["text,group", *lines]), encoding="utf-8")
    return str(path)


def test_it_prints_both_figures_with_their_intervals(
    tmp_path: Path, tickets: list[Row], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([write(tmp_path / "tickets.csv", tickets)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[:4] == [
        "200 new tickets, learned from 1,000",
        "top-1 1.0000  95% [0.9812, 1.0000]",
        "top-3 1.0000  95% [0.9812, 1.0000]",
        "named skills alone, top-1 0.0000  95% [0.0000, 0.0188]",
    ]
    assert printed[4].startswith("learning ")


def test_nothing_is_learned_from_the_new_ones(tickets: list[Row]) -> None:
    unseen = [Row(row.text, "Something new") for row in tickets[1_000:]]
    result = measure([*tickets[:1_000], *unseen])
    assert (result.asked, result.first, result.three) == (200, 0, 0)


@pytest.mark.parametrize(
    ("right", "asked", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (716, 902, 0.7662, 0.8189)],
)
def test_the_interval_is_wilsons(right: int, asked: int, low: float, high: float) -> None:
    assert interval(right, asked) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,group\na,b\n", "1 rows are too few: the first 1,000 are history"),
        ("a,b\n1,2\n", "tickets.csv needs the columns text and group"),
        ("", "tickets.csv needs the columns text and group"),
    ],
)
def test_it_says_what_is_wrong_with_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(content, encoding="utf-8")
    assert main([str(path)]) == 2
    assert capsys.readouterr().err.rstrip().endswith(said)
    assert main([str(tmp_path / "none.csv")]) == 2
    assert router.HISTORY == 1_000
