"""A dry run for a terminal: aligned columns, times in UTC, nothing that could move a cursor."""

import textwrap
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from bson import ObjectId

from bot.views import labels
from bot.views.explain import wording
from bot.views.explain.wording import AT_MOST, Voice, number
from bot.views.text import person
from services.assignment.dry_run import DryRun
from services.assignment.explanation import CandidateScore
from services.core.text import strip_invisible

INDENT = "  "
WIDTH = 90  # of sentences; a table is as wide as what stands in it


def why_lines(run: DryRun) -> list[str]:
    voice = Voice(named=Names(run), at=_moment, quoted=_line)
    lines = [
        f"{labels.name(run.ticket)} ({labels.status(run.ticket)})",
        *_wrapped(wording.state(run, voice)),
        *_headed("Analysis", _columns(list(wording.reading(run, voice).items()))),
    ]
    if run.last_assignment:
        told = [wording.chosen_then(run.last_assignment, voice), run.last_assignment.reason]
        told.append(wording.sum_of(run.last_assignment.score, run.last_assignment.parts))
        lines += _headed("Then", filter(None, told))
    now = [wording.chosen_now(run, voice), *_wrapped(wording.rule(run))]
    lines += _headed("Now", now)
    lines += _headed("Who could have it, the best first", _able(run, voice))
    lines += _headed("Who is left out", _left_out(run, voice))
    made = [wording.correction(one, voice) for one in run.corrections]
    lines += _headed("Corrections", made or [wording.NOTHING_KEPT])
    return [_line(line) for line in lines]


def _headed(heading: str, lines: Iterable[str]) -> list[str]:
    return ["", heading, *(f"{INDENT}{line}" for line in lines)]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH)


def _able(run: DryRun, voice: Voice) -> list[str]:
    able = run.explanation.eligible
    if not able:
        return ["Nobody."]
    rows = [("", "", "score", *AT_MOST, "")]
    for place, one in enumerate(able, start=1):
        numbers = wording.numbers(one.score, one.parts)
        parts = [numbers[name] for name in AT_MOST]
        told = (str(place), voice.named(one.user_id), number(one.score), *parts, one.reason)
        rows.append(told)
    rows.append(("", "at most", number(1), *AT_MOST.values(), ""))
    return _columns(rows, right={0, *range(2, 3 + len(AT_MOST))})


def _left_out(run: DryRun, voice: Voice) -> list[str]:
    def row(one: CandidateScore) -> tuple[str, ...]:
        why = wording.left_out(run, one, voice)
        return voice.named(one.user_id), number(one.score), why

    rows = [row(one) for one in run.explanation.excluded]
    return _columns([("", "score", ""), *rows]) if rows else ["Nobody."]


class Names:
    """What people are called; with their address where two are called the same."""

    def __init__(self, run: DryRun) -> None:
        self._people = run.people
        self._counts = Counter(self._name(user_id) for user_id in run.people.users)

    def __call__(self, user_id: ObjectId | str | None) -> str:
        name = self._name(user_id)
        user = self._people.users.get(user_id) if isinstance(user_id, ObjectId) else None
        is_shared = user is not None and self._counts[name] > 1
        return f"{name} ({_line(user.email)})" if user and is_shared else name

    def _name(self, user_id: ObjectId | str | None) -> str:
        return _line(person(self._people, user_id).name)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")


def _line(text: str) -> str:
    """One line, without what cannot be seen; blanks within stay for the columns' sake."""
    return strip_invisible(text).replace("\n", " ").replace("\t", " ").rstrip()


def _columns(rows: Sequence[Sequence[str]], *, right: Iterable[int] = ()) -> list[str]:
    """The cells one below the other, those of the `right` columns at their right edge."""
    cells = [[_line(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    edges = set(right)
    return [
        INDENT.join(
            _padded(cell, width, at_right=place in edges)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]


def _padded(cell: str, width: int, *, at_right: bool) -> str:
    blank = " " * (width - _width(cell))
    return f"{blank}{cell}" if at_right else f"{cell}{blank}"


def _width(text: str) -> int:
    """In a terminal's cells: two for what is wide, none for what stands on the letter before."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
