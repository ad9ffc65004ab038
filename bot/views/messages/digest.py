"""The daily digest of a moderator or admin: a heading and four lines."""

from bot.views import ids
from bot.views.blocks import actions, button, context, header, mrkdwn_section
from bot.views.due_text import format_datetime
from bot.views.text import Message, plain_text
from services.digest.digest_service import AssigneeCounts, Digest, DigestDay, TeamActivity
from services.lists.list_query import ListKind, ListQuery

ASSIGNED_QUERY, QUEUE_QUERY = ListQuery(ListKind.ASSIGNED), ListQuery(ListKind.QUEUE)
DIGEST_TITLE = "Open tickets today"  # begins the notification
TURN_OFF_HELP = "This comes on the mornings you work. Turn it off in this app's Home."


def digest_message(counts: Digest) -> Message:
    lines = {
        "Yours": _own_tickets(counts.assignee),
        "Unassigned": _ticket_count(counts.queue.unassigned),
        "Overdue": _overdue(counts.queue.overdue, counts.assignee.overdue),
        _since(counts.today): _recent_counts(counts.activity),
    }
    text = "\n".join(f"*{label}*: {words}" for label, words in lines.items())
    return Message(
        text=_notification_text(counts),
        blocks=[
            header(_heading(counts.today)),
            mrkdwn_section(text),
            actions(
                button("Assigned to you", ids.SHOW_ASSIGNED, ASSIGNED_QUERY.encode()),
                button("The queue", ids.SHOW_LIST, QUEUE_QUERY.encode()),
            ),
            context(plain_text(TURN_OFF_HELP)),
        ],
    )


def _heading(today: DigestDay) -> str:
    return f"Open tickets on {today.day:%A}, {today.day.day} {today.day:%B}"


def _notification_text(counts: Digest) -> str:
    when = _since(counts.today)
    return (
        f"{DIGEST_TITLE}: {counts.assignee.open:,} yours, {counts.queue.unassigned:,} "
        f"unassigned, {counts.queue.overdue:,} overdue; {when[0].lower()}{when[1:]} "
        f"{_recent_counts(counts.activity)}"
    )


def _own_tickets(own: AssigneeCounts) -> str:
    if not own.open:
        return "none"
    due = f", the next is due {format_datetime(own.next_due)}" if own.next_due else ""
    return f"{own.open:,} open{due}"


def _overdue(team_count: int, own_count: int) -> str:
    if not own_count:
        return _ticket_count(team_count)
    if own_count >= team_count:
        return f"{_ticket_count(own_count)}, {'yours' if own_count == 1 else 'all yours'}"
    return f"{_ticket_count(team_count)}, {own_count:,} of them yours"


def _ticket_count(number: int) -> str:
    return f"{number:,} ticket{'' if number == 1 else 's'}" if number else "none"


def _since(today: DigestDay) -> str:
    """On a Monday this includes the weekend."""
    return "Yesterday" if today.is_consecutive else f"Since {today.previous_workday:%A}"


def _recent_counts(lately: TeamActivity) -> str:
    return f"{lately.filed:,} filed, {lately.closed:,} closed"
