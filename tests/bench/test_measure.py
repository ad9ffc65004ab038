"""The benchmarks compare what they say; no test judges a time."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from bench.__main__ import main
from bench.measure import Cost, Limit, Meter, Round, Row, Trips, compare, cpu_seconds, lines
from bench.stand import Stand
from demo.servers import MongoServer
from services.core.database import Document


def row(*, ratio: float = 1.5, limit: float = 3.0) -> Row:
    return Row(
        name="file a ticket",
        cost=Cost(ms=3.0, cpu_ms=2.0, trips=3.0),
        other=Cost(ms=2.0, cpu_ms=1.0),
        other_name="bare insert",
        ratio=ratio,
        low=1.4,
        high=1.6,
        at_most=1.67,
        limits={"trips": Limit(limit, 3)},
    )


def test_rounds_alternate_after_one_of_each() -> None:
    done: list[str] = []
    compare(
        "name",
        lambda: done.append("ours"),
        to=lambda: done.append("other"),
        called="other",
        at_most=1,
        rounds=2,
    )
    assert done == ["ours", "other"] * 3


def test_costs_are_of_one_operation(mongo: MongoServer) -> None:
    trips = Trips()
    client: MongoClient[Document] = MongoClient(mongo.uri, event_listeners=[trips])

    def three_reads_of_two_trips() -> Round:
        for _ in range(3):
            client.bench.one.find_one()
            client.bench.two.find_one()
        return Round(3)

    cost = Meter(trips=trips).run(three_reads_of_two_trips)
    client.close()
    assert cost.trips == 2
    assert cost.ms > 0


def test_the_processor_time_of_other_processes_counts(mongo: MongoServer) -> None:
    assert mongo.process is not None
    assert mongo.process.pid is not None
    assert cpu_seconds(mongo.process.pid) > 0
    assert Meter(processes=[mongo.process.pid]).run(lambda: time.sleep(0.01)).cpu_ms >= 0


@pytest.mark.parametrize(
    ("measured", "holds"),
    [(row(), True), (row(ratio=1.7), False), (row(limit=3.1), False)],
)
def test_a_row_holds_within_its_bounds(measured: Row, holds: bool) -> None:
    assert measured.holds is holds
    assert ("BROKEN" in "\n".join(lines(measured))) is not holds


def test_rows_are_printed_as_they_come_and_written_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed: list[str] = []

    def group(_: Stand) -> Iterator[Row]:
        yield row()
        printed.append(capsys.readouterr().out)
        yield row(ratio=9)

    results = tmp_path / "bench.json"
    assert main({"filing": group, "lists": group}, wanted="fil", results=results) == 1
    assert "file a ticket" in printed[0]
    first, second = json.loads(results.read_text())
    assert (first["holds"], second["holds"]) == (True, False)
    assert first["limits"] == {"trips": {"value": 3.0, "at_most": 3}}


def test_a_name_of_no_group_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main({"filing": lambda _: iter(())}, wanted="x", results=tmp_path / "bench.json") == 2
    assert capsys.readouterr().err == "ROW=x names no group. There are: filing\n"
