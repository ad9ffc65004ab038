"""The words and emoji by which a Slack status means away, for admins."""

import re

from bot import home
from bot.request import Request
from bot.views import away_words

_SEPARATORS = re.compile(r"[,;\n]")


def open_form(req: Request) -> None:
    req.open(away_words.edit(req.desk.presence_rules.read()))


def save(req: Request) -> None:
    """What counts from the next look at each status on."""
    away, here = (_SEPARATORS.split(req.value(field)) for field in ("away", "here"))
    req.desk.presence_rules.write(actor=req.actor, away=away, here=here)
    req.ack()
    home.show_again(req)
