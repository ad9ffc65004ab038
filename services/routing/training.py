"""When the models are learned again, and from what: the team's own resolved tickets.

Of each the title and description, with secrets masked, and who resolved it. A skill counts as
needed where a person put it there, or where who resolved the ticket has it: what the router only
guessed and nobody confirmed must not teach it.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from bson import ObjectId

from services.core.clock import Clock, utcnow
from services.core.coerce import as_object_id, as_str, as_string_list
from services.core.database import Document, Mongo
from services.models.events import EventType
from services.models.ticket import Status
from services.models.user import ACTIVE_STAFF
from services.routing.learned_model import Example
from services.routing.model_store import ModelKind, ModelStore
from services.routing.router import match_skills
from services.tickets.indexes import RESOLVED_INDEX
from services.tickets.lifecycle import RESOLUTION_CODES

logger = logging.getLogger(__name__)

# The newest; learned in seconds and within 150 MB.
MAX_TICKETS = 10_000
# At the latest after a day, so that people who left and skills nobody has are forgotten.
MAX_MODEL_AGE = timedelta(days=1)
# At once for the first tickets; later for each twentieth more.
RETRAIN_DIVISOR = 20

_FIELDS = {
    "title": True,
    "description": True,
    "relatedSkills": True,
    "assignedTo": True,
    "resolution": True,
    "events.type": True,
    "events.field": True,
}
_COMPLETED: Document = {"status": Status.COMPLETED.value}


_Skills = Mapping[str, str]
_Staff = Mapping[ObjectId, frozenset[str]]


class Training:
    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock
        self._models = ModelStore(db, clock=clock)

    def run_if_due(self) -> bool:
        """Learn both models where enough happened since; whether they were."""
        now = self._clock()
        before = {kind: self._models.stored_info(kind) for kind in ModelKind}
        at = [stored.trained_at for stored in before.values()]
        since = None if None in at else min(moment for moment in at if moment)
        examples = max(stored.example_count for stored in before.values())
        if not self._is_due(since, examples, now):
            return False
        from services.routing.trainer import Trainer  # noqa: PLC0415  100 MB, for the leader's only

        skills, staff = self._team_skills()
        examples_by_ticket = self._load_examples(skills, staff)
        named = partial(match_skills, skills=sorted(skills.values()))
        by_skill = [Example(words, own) for words, own, _ in examples_by_ticket if own]
        by_person = [Example(words, (who,)) for words, _, who in examples_by_ticket if who]
        learned = {
            ModelKind.SKILLS: Trainer().train_and_compare(by_skill, named),
            ModelKind.PEOPLE: Trainer().train(by_person),
        }
        for kind, model in learned.items():
            if self._models.replace(kind, model, expected=before[kind], now=now):
                logger.info("learned %s from %d tickets", kind.value, model.example_count)
        return True

    def _is_due(self, since: datetime | None, examples: int, now: datetime) -> bool:
        if since is None:
            return self._db.tickets.find_one(_COMPLETED, {"_id": True}) is not None
        if now - since >= MAX_MODEL_AGE:
            return True
        wanted = max(1, examples // RETRAIN_DIVISOR)
        newer = {**_COMPLETED, "completedAt": {"$gt": since}}
        return self._db.tickets.count_documents(newer, limit=wanted) >= wanted

    def _load_examples(
        self, skills: _Skills, staff: _Staff
    ) -> list[tuple[str, tuple[str, ...], str | None]]:
        """Text, skills and resolver of each, the oldest first."""
        newest = self._db.tickets.find(_COMPLETED, _FIELDS).sort(list(RESOLVED_INDEX)[1:])
        taught = [
            (_ticket_text(doc), *_labels(doc, skills, staff))
            for doc in newest.limit(MAX_TICKETS)
            if doc.get("resolution") not in RESOLUTION_CODES
        ]
        return taught[::-1]

    def _team_skills(self) -> tuple[_Skills, _Staff]:
        """The team's skills by key in one spelling, and the keys of each one's."""
        found = self._db.users.find(ACTIVE_STAFF, {"skills": True})
        staff = {doc["_id"]: as_string_list(doc.get("skills")) for doc in found}
        all_skills = sorted(skill for own in staff.values() for skill in own)
        spelled = {skill.casefold(): skill for skill in reversed(all_skills)}
        keys = {user: frozenset(map(str.casefold, own)) for user, own in staff.items()}
        return spelled, keys


def _ticket_text(doc: Mapping[str, Any]) -> str:
    return f"{as_str(doc.get('title'))}\n{as_str(doc.get('description'))}"


def _labels(
    doc: Mapping[str, Any], skills: _Skills, staff: _Staff
) -> tuple[tuple[str, ...], str | None]:
    """The skills a ticket turned out to need, and who resolved it if they are still here."""
    resolver = as_object_id(doc.get("assignedTo"))
    if resolver not in staff:
        resolver = None
    by_person = any(
        event.get("type") == EventType.EDITED and event.get("field") == "relatedSkills"
        for event in doc.get("events") or ()
        if isinstance(event, dict)
    )
    own = skills.keys() if by_person else staff[resolver] if resolver else frozenset()
    noted = [skill.casefold() for skill in as_string_list(doc.get("relatedSkills"))]
    needed = dict.fromkeys(skills[key] for key in noted if key in own and key in skills)
    return tuple(needed), str(resolver) if resolver else None
