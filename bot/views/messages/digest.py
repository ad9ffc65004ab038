"""What somebody at the help desk reads in their morning: four lines."""

from bot.views import ids
from bot.views.blocks import actions, button, context
from bot.views.due_text import moment
from bot.views.text import Message, mrkdwn, plain_text
from services.digest.digest_counts import AssigneeCounts, TeamActivity
from services.digest.digest_schedule import DigestDay
from services.digest.digest_service import Digest
from services.lists.list_query import ListKind, ListQuery

ASSIGNED, QUEUE = ListQuery(ListKind.ASSIGNED), ListQuery(ListKind.QUEUE)
OFF = "This comes on the mornings you work. Turn it off in this app's Home."


def digest(told: Digest) -> Message:
    lines = {
        "Yours": _own(told.assignee),
        "Unassigned": _tickets(told.queue.unassigned),
        "Overdue": _overdue(told.queue.overdue, told.assignee.overdue),
        _when(told.today): _lately(told.activity),
    }
    text = "\n".join(f"*{label}*: {words}" for label, words in lines.items())
    return Message(
        text=_spoken(told),
        blocks=[
            {"type": "section", "text": mrkdwn(text)},
            actions(
                button("Assigned to you", ids.SHOW_ASSIGNED, ASSIGNED.encode()),
                button("The queue", ids.SHOW_LIST, QUEUE.encode()),
            ),
            context(plain_text(OFF)),
        ],
    )


def _spoken(told: Digest) -> str:
    when = _when(told.today)
    return (
        f"Open tickets this morning: {told.assignee.open:,} yours, {told.queue.unassigned:,} "
        f"unassigned, {told.queue.overdue:,} overdue; {when[0].lower()}{when[1:]} "
        f"{_lately(told.activity)}"
    )


def _own(own: AssigneeCounts) -> str:
    if not own.open:
        return "none"
    due = f", the next is due {moment(own.next_due)}" if own.next_due else ""
    return f"{own.open:,} open{due}"


def _overdue(everybodys: int, own: int) -> str:
    if not own:
        return _tickets(everybodys)
    if own >= everybodys:
        return f"{_tickets(own)}, {'yours' if own == 1 else 'all yours'}"
    return f"{_tickets(everybodys)}, {own:,} of them yours"


def _tickets(number: int) -> str:
    return f"{number:,} ticket{'' if number == 1 else 's'}" if number else "none"


def _when(today: DigestDay) -> str:
    """On a Monday it is the weekend, too."""
    return "Yesterday" if today.is_consecutive else f"Since {today.previous_workday:%A}"


def _lately(lately: TeamActivity) -> str:
    return f"{lately.filed:,} filed, {lately.closed:,} closed"
