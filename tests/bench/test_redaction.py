from pathlib import Path

import pytest

from bench.redaction import Result, main


def test_it_prints_the_rate_and_the_times(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text("text\nThe printer is broken\npassword: hunter2\n", encoding="utf-8")
    assert main([str(path)]) == 0
    rate, times = capsys.readouterr().out.splitlines()
    assert rate == "2 texts, 1 masked (50.00%)"
    assert times.startswith("milliseconds per text: p50 ")


def test_percentiles_are_those_of_the_nearest_rank() -> None:
    result = Result(milliseconds=tuple(float(time) for time in range(1, 201)), masked=0)
    assert [result.percentile(percent) for percent in (50, 99, 100)] == [100, 198, 200]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text\n", "the file has no texts"),
        ("a,b\n1,2\n", "tickets.csv needs the column text"),
        ("", "tickets.csv needs the column text"),
    ],
)
def test_it_says_what_is_wrong_with_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    path = tmp_path / "tickets.csv"
    path.write_text(content, encoding="utf-8")
    assert main([str(path)]) == 2
    assert said in capsys.readouterr().err
