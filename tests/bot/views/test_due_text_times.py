from datetime import UTC, datetime, timedelta, timezone

import pytest

from bot.views.due_text import format_datetime, time_ago

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)  # of the parametrised names, too: xdist compares them


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        ({"seconds": -5}, "just now"),
        ({"seconds": 59}, "just now"),
        ({"seconds": 60}, "1 minute ago"),
        ({"minutes": 59, "seconds": 59}, "59 minutes ago"),
        ({"hours": 1}, "1 hour ago"),
        ({"hours": 47}, "1 day ago"),
        ({"days": 400}, "400 days ago"),
    ],
)
def test_how_long_ago(passed: dict[str, int], said: str) -> None:
    at = NOW - timedelta(**passed)
    assert time_ago(at, now=NOW) == f"<!date^{int(at.timestamp())}^{{ago}}|{said}>"


def test_a_moment_falls_back_to_utc() -> None:
    at = NOW.replace(month=7, day=4, hour=1, minute=5)
    elsewhere = at.astimezone(timezone(timedelta(hours=-8)))
    expected = f"{{date_short_pretty}} at {{time}}|4 Jul {at.year}, 01:05 UTC>"
    assert format_datetime(elsewhere) == f"<!date^{int(at.timestamp())}^{expected}"
