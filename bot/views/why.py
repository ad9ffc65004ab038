"""The modal behind "Why?": a dry run of a ticket's assignment."""

from collections.abc import Sequence

from bot.views import why_words, words
from bot.views.blocks import context, header
from bot.views.inputs import View, modal
from bot.views.people import person
from bot.views.text import Block, cut, escape, fitted_view, mrkdwn, plain
from bot.views.times import moment
from bot.views.why_words import AT_MOST, Voice, number
from services.corrections import Correction
from services.dry_run import DryRun
from services.explaining import Then

# Of each list: a view holds 100 blocks.
SHOWN = 20
CORRECTIONS_SHOWN = 10
TEXT_MAX = 500


def why(run: DryRun) -> View:
    """`run` with `SHOWN` people of each kind at most."""
    voice = Voice(
        named=lambda user_id: person(run.people, user_id).mention,
        at=moment,
        quoted=lambda text: escape(cut(text, TEXT_MAX)),
    )
    analysis = why_words.reading(run, voice).items()
    blocks = [
        _said(why_words.state(run, voice)),
        header("Analysis"),
        _said("\n".join(f"*{label}:* {told}" for label, told in analysis)),
        *(_then(run.then, voice) if run.then else []),
        header("Now"),
        _said(why_words.chosen_now(run, voice)),
        context(plain(why_words.rule(run))),
        header("Who could have it, the best first"),
        *_able(run, voice),
        header("Who is left out"),
        *_left_out(run, voice),
        header("Corrections"),
        *_corrections(run.corrections, voice),
    ]
    return modal(title=f"{words.name(run.ticket)}: why?", close="Close", blocks=fitted_view(blocks))


def looking() -> View:
    """Until it is found out."""
    said = context(plain("Looking at everybody who could have it…"))
    return modal(title="Why?", close="Close", blocks=[said])


def _said(text: str) -> Block:
    return {"type": "section", "text": mrkdwn(text)}


def _then(then: Then, voice: Voice) -> list[Block]:
    told = [then.reason, why_words.sum_of(then.score, then.parts)]
    return [
        header("Then"),
        _said(why_words.chosen_then(then, voice)),
        *(context(plain(text, limit=TEXT_MAX)) for text in told if text),
    ]


def _able(run: DryRun, voice: Voice) -> list[Block]:
    blocks: list[Block] = []
    for place, one in enumerate(run.explanation.able, start=1):
        numbers = why_words.numbers(one.score, one.parts)
        parts = " · ".join(f"{name} {numbers[name]} of {AT_MOST[name]}" for name in AT_MOST)
        blocks += [
            _said(f"*{place}.* {voice.named(one.user_id)} · *{number(one.score)}*"),
            context(plain(one.reason, limit=TEXT_MAX), plain(parts)),
        ]
    return (blocks or [context(plain("Nobody."))]) + _more(run.more_able)


def _left_out(run: DryRun, voice: Voice) -> list[Block]:
    blocks = [
        context(mrkdwn(f"{voice.named(one.user_id)} · {number(one.score)} · {told}"))
        for one in run.explanation.left_out
        for told in [why_words.left_out(run, one, voice)]
    ]
    return (blocks or [context(plain("Nobody."))]) + _more(run.more_left_out)


def _corrections(made: Sequence[Correction], voice: Voice) -> list[Block]:
    shown = made[-CORRECTIONS_SHOWN:]
    blocks = [context(mrkdwn(why_words.correction(one, voice))) for one in shown]
    if not blocks:
        return [context(plain(why_words.NOTHING_KEPT))]
    older = len(made) - len(shown)
    return [*([context(plain(f"{older} older ones"))] if older else []), *blocks]


def _more(count: int) -> list[Block]:
    return [context(plain(f"and {count:,} more"))] if count else []
