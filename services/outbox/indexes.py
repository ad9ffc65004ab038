"""Indexes for deliveries, emails, reminders and replies."""

from collections.abc import Mapping, Sequence

from pymongo import ASCENDING, DESCENDING, IndexModel

from services.outbox.ticket_filter import CHANGE_INDEX

INDEXES: Mapping[str, Sequence[IndexModel]] = {
    "tickets": (
        CHANGE_INDEX,
        # To find the ticket of a thread, and of a direct message that was added to a ticket.
        IndexModel("notices.ts", sparse=True),
        IndexModel("comments.slack.ts", sparse=True),
        IndexModel("nextTryAt", name="outbox_due", partialFilterExpression={"outbox": True}),
        IndexModel("assignment.next", name="waiting_for_somebody", sparse=True),
        IndexModel("aside.until", name="set_aside", sparse=True),
    ),
    "letters": (
        IndexModel("nextTryAt", name="letters_due", partialFilterExpression={"state": "waiting"}),
        IndexModel("userId"),
        IndexModel("expiresAt", expireAfterSeconds=0),
    ),
    "nudges": (
        IndexModel([("to", ASCENDING), ("at", ASCENDING)]),
        IndexModel("claim", sparse=True),
        IndexModel([("to", ASCENDING), ("shown.since", DESCENDING)]),
        IndexModel("at", sparse=True),
        IndexModel("shown.ts", sparse=True),  # to find the ticket of a thread
        IndexModel("expiresAt", expireAfterSeconds=0),
    ),
    "replies": (
        IndexModel("nextTryAt", name="replies_due", partialFilterExpression={"state": "waiting"}),
        IndexModel("user"),
        IndexModel("ts", sparse=True),  # to find the ticket of a thread
        IndexModel("expiresAt", expireAfterSeconds=0),
    ),
}
