"""The modal of the button "Why?": a dry run of a ticket's assignment."""

from collections.abc import Sequence

from bot.views import labels
from bot.views.blocks import context, header, mrkdwn_section
from bot.views.due_text import format_datetime
from bot.views.explain import wording
from bot.views.explain.wording import Formatter
from bot.views.inputs import View, modal
from bot.views.text import (
    Block,
    display_person,
    escape,
    fit_view_to_limit,
    masked,
    mrkdwn,
    plain_text,
)
from services.assignment.explanation import DryRun, LastAssignment
from services.assignment.feedback import Correction
from services.core.text import truncate

# A view has at most 100 blocks, so each list is cut.
MAX_CANDIDATES = 20
MAX_CORRECTIONS = 10
MAX_TEXT_LENGTH = 500


def explanation_modal(dry_run: DryRun) -> View:
    """`dry_run` has at most `MAX_CANDIDATES` eligible and as many excluded people."""
    formatter = Formatter(
        name=lambda user_id: display_person(dry_run.people, user_id).mention,
        time=format_datetime,
        quote=lambda text: escape(truncate(text, MAX_TEXT_LENGTH)),
    )
    analysis = wording.analysis_rows(dry_run, formatter).items()
    blocks = [
        mrkdwn_section(wording.assignment_state(dry_run, formatter)),
        header("Analysis"),
        mrkdwn_section("\n".join(f"*{label}:* {value}" for label, value in analysis)),
        *(_last_assignment(dry_run.last_assignment, formatter) if dry_run.last_assignment else []),
        header("Now"),
        mrkdwn_section(_now(dry_run, formatter)),
        context(plain_text(wording.ranking_rule(dry_run))),
        header("Who could have it, the best first"),
        *_eligible(dry_run, formatter),
        header("Who is left out"),
        *_excluded(dry_run, formatter),
        header("Corrections"),
        *_corrections(dry_run.corrections, formatter),
    ]
    return modal(
        title=f"{labels.ticket_name(dry_run.ticket)}: why?",
        blocks=fit_view_to_limit(blocks),
    )


def explanation_loading_modal() -> View:
    """Return what is shown until the dry run is done."""
    loading_text = context(plain_text("Looking at everyone who could have it…"))
    return modal(title="Why?", blocks=[loading_text])


def _now(dry_run: DryRun, formatter: Formatter) -> str:
    sentences = (
        wording.current_choice(dry_run, formatter),
        wording.lead_sentence(dry_run, formatter),
    )
    return " ".join(filter(None, sentences))


def _last_assignment(last: LastAssignment, formatter: Formatter) -> list[Block]:
    choice = mrkdwn_section(wording.last_choice(last, formatter))
    return [header("Then"), choice, *_reason(masked(last.reason))]


def _reason(reason: str) -> list[Block]:
    sentence = plain_text(wording.reason_sentence(reason), limit=MAX_TEXT_LENGTH)
    return [context(sentence)] if reason else []


def _eligible(dry_run: DryRun, formatter: Formatter) -> list[Block]:
    blocks: list[Block] = []
    for rank, candidate in enumerate(dry_run.explanation.eligible, start=1):
        blocks += [
            mrkdwn_section(f"*{rank}.* {formatter.name(candidate.user_id)}"),
            *_reason(candidate.reason),
        ]
    return (blocks or [context(plain_text("No one."))]) + _more(dry_run.more_eligible)


def _excluded(dry_run: DryRun, formatter: Formatter) -> list[Block]:
    blocks = [
        context(
            mrkdwn(
                f"{formatter.name(candidate.user_id)}: "
                f"{wording.exclusion_text(dry_run, candidate, formatter)}"
            )
        )
        for candidate in dry_run.explanation.excluded
    ]
    return (blocks or [context(plain_text("No one."))]) + _more(dry_run.more_excluded)


def _corrections(corrections: Sequence[Correction], formatter: Formatter) -> list[Block]:
    shown = corrections[-MAX_CORRECTIONS:]
    blocks = [
        context(mrkdwn(wording.correction_sentence(correction, formatter))) for correction in shown
    ]
    if not blocks:
        return [context(plain_text(wording.NO_CORRECTIONS))]
    older = len(corrections) - len(shown)
    return [*([context(plain_text(f"{older} older ones"))] if older else []), *blocks]


def _more(count: int) -> list[Block]:
    return [context(plain_text(f"and {count:,} more"))] if count else []
