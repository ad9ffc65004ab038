"""A dry run for a terminal: aligned columns, times in UTC, no control characters."""

import textwrap
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from bson import ObjectId

from bot.views import labels
from bot.views.explain import wording
from bot.views.explain.wording import MAX_PARTS, Formatter, format_score
from bot.views.text import display_person, masked
from services.assignment.explanation import CandidateScore, DryRun
from services.core.text import strip_invisible

INDENT = "  "
WIDTH = 90  # of sentences; tables may be wider


def explanation_lines(dry_run: DryRun) -> list[str]:
    formatter = Formatter(name=UniqueNames(dry_run), time=_format_datetime, quote=_line)
    lines = [
        f"{labels.ticket_name(dry_run.ticket)} ({labels.status(dry_run.ticket)})",
        *_wrapped(wording.assignment_state(dry_run, formatter)),
        *_section("Analysis", _columns(list(wording.analysis_rows(dry_run, formatter).items()))),
    ]
    if dry_run.last_assignment:
        texts = [
            wording.last_choice(dry_run.last_assignment, formatter),
            masked(dry_run.last_assignment.reason),
        ]
        texts.append(
            wording.score_sum(dry_run.last_assignment.score, dry_run.last_assignment.parts)
        )
        lines += _section("Then", filter(None, texts))
    now = [wording.current_choice(dry_run, formatter), *_wrapped(wording.ranking_rule(dry_run))]
    lines += _section("Now", now)
    lines += _section("Who could have it, the best first", _eligible(dry_run, formatter))
    lines += _section("Who is left out", _excluded(dry_run, formatter))
    corrections = [
        wording.correction_sentence(correction, formatter) for correction in dry_run.corrections
    ]
    lines += _section("Corrections", corrections or [wording.NO_CORRECTIONS])
    return [_line(line) for line in lines]


def _section(heading: str, lines: Iterable[str]) -> list[str]:
    return ["", heading, *(f"{INDENT}{line}" for line in lines)]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH)


def _eligible(dry_run: DryRun, formatter: Formatter) -> list[str]:
    eligible = dry_run.explanation.eligible
    if not eligible:
        return ["No one."]
    rows = [("", "", "score", *MAX_PARTS, "")]
    for rank, candidate in enumerate(eligible, start=1):
        numbers = wording.format_parts(candidate.score, candidate.parts)
        parts = [numbers[name] for name in MAX_PARTS]
        row = (
            str(rank),
            formatter.name(candidate.user_id),
            format_score(candidate.score),
            *parts,
            candidate.reason,
        )
        rows.append(row)
    rows.append(("", "at most", format_score(1), *MAX_PARTS.values(), ""))
    return _columns(rows, right={0, *range(2, 3 + len(MAX_PARTS))})


def _excluded(dry_run: DryRun, formatter: Formatter) -> list[str]:
    def row(candidate: CandidateScore) -> tuple[str, ...]:
        why = wording.exclusion_text(dry_run, candidate, formatter)
        return formatter.name(candidate.user_id), format_score(candidate.score), why

    rows = [row(candidate) for candidate in dry_run.explanation.excluded]
    return _columns([("", "score", ""), *rows]) if rows else ["No one."]


class UniqueNames:
    """Names of people, with the email address if two people have the same name."""

    def __init__(self, dry_run: DryRun) -> None:
        self._people = dry_run.people
        self._counts = Counter(self._name(user_id) for user_id in dry_run.people.users)

    def __call__(self, user_id: ObjectId | str | None) -> str:
        name = self._name(user_id)
        user = self._people.users.get(user_id) if isinstance(user_id, ObjectId) else None
        is_shared = user is not None and self._counts[name] > 1
        return f"{name} ({_line(user.email)})" if user and is_shared else name

    def _name(self, user_id: ObjectId | str | None) -> str:
        return _line(display_person(self._people, user_id).name)


def _format_datetime(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%-d %b %Y, %H:%M UTC")


def _line(text: str) -> str:
    """Return one line without invisible characters. Inner spaces stay, for the columns."""
    return strip_invisible(text).replace("\n", " ").replace("\t", " ").rstrip()


def _columns(rows: Sequence[Sequence[str]], *, right: Iterable[int] = ()) -> list[str]:
    """Return the rows as aligned text; columns in `right` are right-aligned."""
    cells = [[_line(cell) for cell in row] for row in rows]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    edges = set(right)
    return [
        INDENT.join(
            _padded(cell, width, at_right=index in edges)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]


def _padded(cell: str, width: int, *, at_right: bool) -> str:
    blank = " " * (width - _width(cell))
    return f"{blank}{cell}" if at_right else f"{cell}{blank}"


def _width(text: str) -> int:
    """Return the width in terminal cells: two for wide characters, none for combining ones."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
