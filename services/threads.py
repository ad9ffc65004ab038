"""Whose ticket a thread in Slack is about."""

from dataclasses import dataclass

from services.comment import Place
from services.database import Mongo
from services.notices import read_key

TRIAGE = "triage"  # the kind of the card that the staff reads together
_LINE = "thread"  # the line below a message that a ticket was made of: others talk there


@dataclass(frozen=True, slots=True)
class Thread:
    """`internal`: what is written there is for the staff only."""

    ticket_id: str
    internal: bool


class Threads:
    def __init__(self, db: Mongo) -> None:
        self._db = db

    def find(self, *, team_id: str, place: Place) -> Thread | None:
        """The ticket that the message at `place` tells of; None where it is none of the bot's.

        Asks nobody's permission, because it tells no more than an id.
        """
        found = self._db.tickets.find(
            {"notices.ts": place.ts}, {"teamId": True, "notices": {"$elemMatch": {"ts": place.ts}}}
        )
        for doc in found:
            for notice in doc["notices"]:
                _, kind, _ = read_key(str(notice["key"]))
                is_here = (doc.get("teamId"), notice.get("channel")) == (team_id, place.channel)
                if is_here and kind != _LINE:
                    return Thread(str(doc["_id"]), internal=kind == TRIAGE)
        return None
