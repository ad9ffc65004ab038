"""Home sessions: which screen of Home each member has open, and when to refresh it.

The link of a member who has opened Home holds `home`: `screen`, `ticket` (on a ticket's page),
`at` (of the last navigation), `queueAt` (the same, on a list of the team's), `turn` (counts the
navigations),
`hash` (Slack's, of the view published last), `content` (a digest of what Slack shows), `due` (of a
requested refresh), and `retryAt` and `tries` (of a view that Slack has not confirmed).

A refresh is debounced: the request sets `due`, the claim removes it. Navigations, requests and
claims set `retryAt`, and the record of the published view removes it: if publishing fails, or the
process dies, the sweep publishes Home again.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from bson import ObjectId
from pymongo import ReturnDocument

from services.accounts.account_search import AccountCursor
from services.core.clock import Clock, utcnow
from services.core.database import Document, Mongo
from services.core.work_queue import MAX_DELIVERY_DELAY, WorkQueue, ahead, backoff, is_ahead
from services.linking.links import referenced_user_ids
from services.lists.list_query import TEAM_LISTS, ListKind, ListQuery
from services.models.ticket import Ticket
from services.search.search_query import SearchPage

# A member who returns later than this starts at the first page.
SESSION_TIMEOUT = timedelta(hours=1)
# Longer than a call of Slack's Web API takes.
PUBLISH_TIMEOUT = timedelta(seconds=10)
# Changes within this time after the first are shown together.
REFRESH_DELAY = timedelta(seconds=3)
_SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen of Home: the first page, a list (`list_query`) or the results of a `search`, with a
    ticket opened from one of them; or the accounts (`people`), or the team's `settings`."""

    list_query: ListQuery | None = None
    ticket_id: ObjectId | None = None
    people: AccountCursor | None = None
    settings: bool = False
    search: SearchPage | None = None

    def encode(self) -> str:
        """Encode for a button's value or a block's id."""
        if self.settings:
            return _SETTINGS
        listed = self.list_query.encode() if self.list_query else ""
        parts = [listed, str(self.ticket_id or "")]
        if self.people or self.search:
            parts.append(self.people.encode() if self.people else "")
        if self.search:
            parts.append(self.search.encode())
        return "|".join(parts)

    @classmethod
    def decode(cls, text: str) -> "Screen":
        """Return the screen; invalid text is the first page."""
        if text == _SETTINGS:
            return cls(settings=True)
        listed, ticket_id, people, search = (text.split("|") + [""] * 4)[:4]
        return cls(
            list_query=ListQuery.decode(listed)
            if listed.partition(",")[0] in set(ListKind)
            else None,
            ticket_id=ObjectId(ticket_id) if ObjectId.is_valid(ticket_id) else None,
            people=AccountCursor.decode(people),
            search=SearchPage.decode(search),
        )

    @property
    def parent(self) -> "Screen":
        return replace(self, ticket_id=None)


@dataclass(frozen=True, slots=True)
class HomeSession:
    """`content` is the `view_digest` of what Slack shows; None if that is not known."""

    link_id: str
    team_id: str
    slack_user_id: str
    screen: Screen
    sequence: int
    view_hash: str | None
    content: str | None = None

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
            content=home.get("content"),
        )


def view_digest(view: Mapping[str, Any]) -> str:
    """Return what differs between two contents of Home."""
    return hashlib.sha256(json.dumps(view, sort_keys=True).encode()).hexdigest()


def _is_requested(home: Document, now: datetime) -> bool:
    due = home.get("due")
    return is_ahead(due, now, longest=REFRESH_DELAY)


_RETRY = {"home.retryAt": "", "home.tries": ""}


class HomeSessions:
    """`link_id` is the id of a member's link (`services.models.slack_member.link_id`)."""

    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock
        self._unconfirmed = WorkQueue(
            db.links, "home.retryAt", longest=MAX_DELIVERY_DELAY, attempts_field="home.tries"
        )

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
        shows_team = (
            screen.list_query and screen.list_query.kind in TEAM_LISTS and not screen.ticket_id
        )
        doc = self._db.links.find_one_and_update(
            {"_id": link_id},
            {
                "$set": {
                    "home.screen": screen.encode(),
                    "home.ticket": screen.ticket_id,
                    "home.queueAt": now if shows_team else None,
                    "home.at": now,
                    "home.retryAt": now + PUBLISH_TIMEOUT,
                },
                "$inc": {"home.turn": 1},
                "$unset": {"home.content": ""},
            },
            return_document=ReturnDocument.AFTER,
        )
        return int(doc["home"]["turn"]) if doc else 0

    def is_current(self, link_id: str, *, sequence: int) -> bool:
        """Return whether the member has not navigated since."""
        this = {"_id": link_id, "home.turn": sequence}
        return self._db.links.find_one(this, {"_id": True}) is not None

    def record_view_hash(
        self, link_id: str, *, sequence: int, view_hash: str, content: str
    ) -> None:
        """Record the hash of the view that Slack shows for the screen of that `sequence`.

        `content` is the view's `view_digest`."""
        this = {"_id": link_id, "home.turn": sequence}
        shown = {"home.hash": view_hash, "home.content": content}
        confirmed = {"$set": shown, "$unset": _RETRY}
        self._db.links.update_one(this, confirmed)

    def forget_content(self, link_id: str) -> None:
        """Record that Slack shows, or is about to show, another view than that of the screen."""
        self._db.links.update_one({"_id": link_id}, {"$unset": {"home.content": ""}})

    def give_up(self, session: HomeSession) -> None:
        """Do not publish that view again: Slack will never accept it, or nobody may see it."""
        this = {"_id": session.link_id, "home.turn": session.sequence}
        self._db.links.update_one(this, {"$unset": _RETRY})

    def request_unconfirmed(self, *, limit: int) -> list[str]:
        """Request a refresh of the Homes whose view Slack has not confirmed in time; return their
        links, for `CeleryPublisher.publish_home_refresh`."""
        now, requested = self._clock(), []
        for doc in self._unconfirmed.due(now, limit=limit, fields=["home"]):
            tries = doc["home"].get("tries", 0) + 1
            wait = backoff(tries, initial=PUBLISH_TIMEOUT, maximum=MAX_DELIVERY_DELAY)
            if self._unconfirmed.claim(doc, until=now + wait):
                self._db.links.update_one({"_id": doc["_id"]}, {"$set": {"home.due": now}})
                requested.append(str(doc["_id"]))
        return requested

    def watchers(self, tickets: Sequence[Ticket], *, links: Iterable[Document]) -> list[str]:
        """Return the links of members who looked at Home within `SESSION_TIMEOUT` and whom a change
        of one of the tickets concerns: its requester, its current and former assignees, and readers
        of its page or of the queue.

        `links` are the stored links of the people in the tickets, read after the change. Who has a
        refresh requested already is left out: its claim, which is still to come, reads the change.
        """
        concerned = {user_id for ticket in tickets for user_id in referenced_user_ids(ticket)}
        ids = [ticket.id for ticket in tickets]
        now = self._clock()
        lately = now - SESSION_TIMEOUT
        fields = ["home.at", "home.due"]
        found = [link for link in links if link["userId"] in concerned]
        found += self._db.links.find({"home.ticket": {"$in": ids}}, fields)
        found += self._db.links.find({"home.queueAt": {"$gt": lately}}, fields)
        return sorted(
            {
                str(doc["_id"])
                for doc in found
                if (home := doc.get("home"))
                and home["at"] > lately
                and not _is_requested(home, now)
            }
        )

    def request_refresh(self, link_id: str, *, within: timedelta) -> bool:
        """Return whether to publish a refresh; False if one is already requested."""
        now = self._clock()
        nothing_due = {"home.due": {"$not": ahead(now, longest=within)}}
        asked = self._db.links.update_one(
            {"_id": link_id, "home.turn": {"$gt": 0}, **nothing_due},
            {
                "$set": {"home.due": now + within},
                "$max": {"home.retryAt": now + within + PUBLISH_TIMEOUT},
            },
        )
        return asked.modified_count == 1

    def claim_refresh(self, link_id: str) -> HomeSession | None:
        """Claim the session to refresh; None if another worker has refreshed it.

        Claim before reading anything: a later change requests another refresh. What Slack shows is
        not known until the caller records it.
        """
        retry_at = self._clock() + PUBLISH_TIMEOUT
        doc = self._db.links.find_one_and_update(
            {"_id": link_id, "home.due": {"$ne": None}},
            {"$unset": {"home.due": "", "home.content": ""}, "$max": {"home.retryAt": retry_at}},
        )
        return HomeSession.from_doc(doc) if doc else None

    def clear_view_hash(self, session: HomeSession) -> None:
        """Remove the hash, because Slack shows another view now, with an unknown hash."""
        this = {"_id": session.link_id, "home.hash": session.view_hash}
        self._db.links.update_one(this, {"$unset": {"home.hash": ""}})
