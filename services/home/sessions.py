"""Home sessions: which screen of Home each member has open, and when to refresh it.

The link of a member who has opened Home holds `home`: `screen`, `ticket` (on a ticket's page),
`at` (of the last navigation), `queueAt` (the same, on the queue), `turn` (counts the navigations),
`hash` (Slack's, of the view published last) and `due` (of a requested refresh).

A refresh is debounced, not queued, so this is no `WorkQueue` (services/core/work_queue.py): the
request sets `due`, the claim removes it, and after a failure the next change requests it again.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from bson import ObjectId
from pymongo import ReturnDocument

from services.accounts.account_search import AccountCursor
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.linking.links import referenced_user_ids
from services.lists.list_query import ListKind, ListQuery
from services.models.ticket import Ticket

# A member who returns later than this starts at the first page.
SESSION_TIMEOUT = timedelta(hours=1)
_SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen of Home: the first page or a list (`list_query`), with a ticket opened from either;
    or the accounts (`people`), or the team's `settings`."""

    list_query: ListQuery | None = None
    ticket_id: ObjectId | None = None
    people: AccountCursor | None = None
    settings: bool = False

    def encode(self) -> str:
        """Encode for a button's value or a block's id."""
        if self.settings:
            return _SETTINGS
        people = f"|{self.people.encode()}" if self.people else ""
        return (
            f"{self.list_query.encode() if self.list_query else ''}|{self.ticket_id or ''}{people}"
        )

    @classmethod
    def decode(cls, text: str) -> "Screen":
        """Return the screen; invalid text is the first page."""
        if text == _SETTINGS:
            return cls(settings=True)
        listed, ticket_id, people = (text.split("|") + [""] * 3)[:3]
        return cls(
            list_query=ListQuery.decode(listed)
            if listed.partition(",")[0] in set(ListKind)
            else None,
            ticket_id=ObjectId(ticket_id) if ObjectId.is_valid(ticket_id) else None,
            people=AccountCursor.decode(people),
        )

    @property
    def parent(self) -> "Screen":
        return replace(self, ticket_id=None)


@dataclass(frozen=True, slots=True)
class HomeSession:
    link_id: str
    team_id: str
    slack_user_id: str
    screen: Screen
    sequence: int
    view_hash: str | None

    @classmethod
    def from_doc(cls, doc: Document) -> "HomeSession":
        home = doc["home"]
        return cls(
            link_id=doc["_id"],
            team_id=doc["teamId"],
            slack_user_id=doc["slackUserId"],
            screen=Screen.decode(home["screen"]),
            sequence=home["turn"],
            view_hash=home.get("hash"),
        )


class HomeSessions:
    """`link_id` is the id of a member's link (`services.models.slack_member.link_id`)."""

    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock

    def last_screen(self, link_id: str) -> Screen:
        """Return the member's last screen, or the first page after `SESSION_TIMEOUT`."""
        doc = self._db.links.find_one({"_id": link_id}, {"home": True})
        home = (doc or {}).get("home")
        if not home or home["at"] < self._clock() - SESSION_TIMEOUT:
            return Screen()
        return Screen.decode(home["screen"])

    def navigate(self, link_id: str, *, screen: Screen) -> int:
        """Store the screen that a member opens; return the new sequence number."""
        now = self._clock()
        in_queue = (
            screen.list_query and screen.list_query.kind is ListKind.QUEUE and not screen.ticket_id
        )
        doc = self._db.links.find_one_and_update(
            {"_id": link_id},
            {
                "$set": {
                    "home.screen": screen.encode(),
                    "home.ticket": screen.ticket_id,
                    "home.queueAt": now if in_queue else None,
                    "home.at": now,
                },
                "$inc": {"home.turn": 1},
            },
            return_document=ReturnDocument.AFTER,
        )
        return int(doc["home"]["turn"]) if doc else 0

    def is_current(self, link_id: str, *, sequence: int) -> bool:
        """Return whether the member has not navigated since."""
        this = {"_id": link_id, "home.turn": sequence}
        return self._db.links.find_one(this, {"_id": True}) is not None

    def record_view_hash(self, link_id: str, *, sequence: int, view_hash: str) -> None:
        """Record the hash of the view that Slack shows for the screen of that `sequence`."""
        this = {"_id": link_id, "home.turn": sequence}
        self._db.links.update_one(this, {"$set": {"home.hash": view_hash}})

    def watchers(self, ticket: Ticket) -> list[str]:
        """Return the links with an open Home that a change of the ticket concerns: its
        requester, its current and former assignees, and readers of its page or of the queue."""
        concerned = referenced_user_ids(ticket)
        opened = {"home.turn": {"$gt": 0}}
        found = list(self._db.links.find({"userId": {"$in": list(concerned)}, **opened}, ["_id"]))
        found += self._db.links.find({"home.ticket": ticket.id}, ["_id"])
        lately = {"$gt": self._clock() - SESSION_TIMEOUT}
        found += self._db.links.find({"home.queueAt": lately}, ["_id"])
        return sorted({str(doc["_id"]) for doc in found})

    def request_refresh(self, link_id: str, *, within: timedelta) -> bool:
        """Return whether to publish a refresh; False if one is already requested."""
        now = self._clock()
        nothing_due = {"$or": [{"home.due": None}, {"home.due": {"$lte": now}}]}
        asked = self._db.links.update_one(
            {"_id": link_id, "home.turn": {"$gt": 0}, **nothing_due},
            {"$set": {"home.due": now + within}},
        )
        return asked.modified_count == 1

    def claim_refresh(self, link_id: str) -> HomeSession | None:
        """Claim the session to refresh; None if another worker has refreshed it.

        Claim before reading anything: a later change requests another refresh.
        """
        doc = self._db.links.find_one_and_update(
            {"_id": link_id, "home.due": {"$ne": None}}, {"$unset": {"home.due": ""}}
        )
        return HomeSession.from_doc(doc) if doc else None

    def clear_view_hash(self, session: HomeSession) -> None:
        """Remove the hash, because Slack shows another view now, with an unknown hash."""
        this = {"_id": session.link_id, "home.hash": session.view_hash}
        self._db.links.update_one(this, {"$unset": {"home.hash": ""}})
