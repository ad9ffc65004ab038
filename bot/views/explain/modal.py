"""The modal behind "Why?": a dry run of a ticket's assignment."""

from collections.abc import Sequence

from bot.views import labels
from bot.views.blocks import context, header
from bot.views.due_text import moment
from bot.views.explain import wording
from bot.views.explain.wording import AT_MOST, Voice, number
from bot.views.inputs import View, modal
from bot.views.text import Block, escape, fit_view_to_limit, mrkdwn, person, plain_text, truncate
from services.assignment.dry_run import DryRun
from services.assignment.explanation import LastAssignment
from services.assignment.feedback import Correction

# Of each list: a view holds 100 blocks.
SHOWN = 20
CORRECTIONS_SHOWN = 10
TEXT_MAX = 500


def why(run: DryRun) -> View:
    """`run` with `SHOWN` people of each kind at most."""
    voice = Voice(
        named=lambda user_id: person(run.people, user_id).mention,
        at=moment,
        quoted=lambda text: escape(truncate(text, TEXT_MAX)),
    )
    analysis = wording.reading(run, voice).items()
    blocks = [
        _said(wording.state(run, voice)),
        header("Analysis"),
        _said("\n".join(f"*{label}:* {told}" for label, told in analysis)),
        *(_then(run.last_assignment, voice) if run.last_assignment else []),
        header("Now"),
        _said(wording.chosen_now(run, voice)),
        context(plain_text(wording.rule(run))),
        header("Who could have it, the best first"),
        *_able(run, voice),
        header("Who is left out"),
        *_left_out(run, voice),
        header("Corrections"),
        *_corrections(run.corrections, voice),
    ]
    return modal(
        title=f"{labels.name(run.ticket)}: why?", close="Close", blocks=fit_view_to_limit(blocks)
    )


def looking() -> View:
    """Until it is found out."""
    said = context(plain_text("Looking at everybody who could have it…"))
    return modal(title="Why?", close="Close", blocks=[said])


def _said(text: str) -> Block:
    return {"type": "section", "text": mrkdwn(text)}


def _then(then: LastAssignment, voice: Voice) -> list[Block]:
    told = [then.reason, wording.sum_of(then.score, then.parts)]
    return [
        header("Then"),
        _said(wording.chosen_then(then, voice)),
        *(context(plain_text(text, limit=TEXT_MAX)) for text in told if text),
    ]


def _able(run: DryRun, voice: Voice) -> list[Block]:
    blocks: list[Block] = []
    for place, one in enumerate(run.explanation.eligible, start=1):
        numbers = wording.numbers(one.score, one.parts)
        parts = " · ".join(f"{name} {numbers[name]} of {AT_MOST[name]}" for name in AT_MOST)
        blocks += [
            _said(f"*{place}.* {voice.named(one.user_id)} · *{number(one.score)}*"),
            context(plain_text(one.reason, limit=TEXT_MAX), plain_text(parts)),
        ]
    return (blocks or [context(plain_text("Nobody."))]) + _more(run.more_eligible)


def _left_out(run: DryRun, voice: Voice) -> list[Block]:
    blocks = [
        context(mrkdwn(f"{voice.named(one.user_id)} · {number(one.score)} · {told}"))
        for one in run.explanation.excluded
        for told in [wording.left_out(run, one, voice)]
    ]
    return (blocks or [context(plain_text("Nobody."))]) + _more(run.more_excluded)


def _corrections(made: Sequence[Correction], voice: Voice) -> list[Block]:
    shown = made[-CORRECTIONS_SHOWN:]
    blocks = [context(mrkdwn(wording.correction(one, voice))) for one in shown]
    if not blocks:
        return [context(plain_text(wording.NOTHING_KEPT))]
    older = len(made) - len(shown)
    return [*([context(plain_text(f"{older} older ones"))] if older else []), *blocks]


def _more(count: int) -> list[Block]:
    return [context(plain_text(f"and {count:,} more"))] if count else []
