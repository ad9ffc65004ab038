"""Retrain the models from the team's resolved tickets when enough of them are new.

A ticket gives its title and description, with secrets masked, and its resolver. A skill counts as
needed if a person set it or the resolver has it: the router must not learn from its own unconfirmed
answers.
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
from services.models.resolution import RESOLUTION_CODES
from services.models.ticket import Status
from services.models.user import ACTIVE_STAFF
from services.routing.learned_model import Example
from services.routing.model_store import ModelKind, ModelStore
from services.routing.skill_matching import match_skills
from services.tickets.access import is_for_other_tickets
from services.tickets.indexes import RESOLVED_INDEX

logger = logging.getLogger(__name__)

# Only the newest: training takes seconds and less than 150 MB.
MAX_TICKETS = 10_000
# Retrained daily, so that users who left and skills no one has any more disappear.
MAX_MODEL_AGE = timedelta(days=1)
# Retrained after 1/20 more tickets, and so after each of the first ones.
RETRAIN_DIVISOR = 20

_FIELDS = {
    "title": True,
    "description": True,
    "relatedSkills": True,
    "assignedTo": True,
    "resolution": True,
    "private": True,
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
        """Retrain both models if enough tickets are new; return whether they were."""
        now = self._clock()
        before = {kind: self._models.stored_info(kind) for kind in ModelKind}
        at = [stored.trained_at for stored in before.values()]
        since = None if None in at else min(moment for moment in at if moment)
        examples = max(stored.example_count for stored in before.values())
        if not self._is_due(since, examples, now):
            return False
        from services.routing.trainer import Trainer  # noqa: PLC0415  100 MB, only in the leading process

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
                logger.info(
                    "trained the model of %s on %d tickets", kind.value, model.example_count
                )
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
        """Return text, skills and resolver of each ticket, the oldest first."""
        newest = self._db.tickets.find(_COMPLETED, _FIELDS).sort(list(RESOLVED_INDEX)[1:])
        taught = [
            (_ticket_text(doc), *_labels(doc, skills, staff))
            for doc in newest.limit(MAX_TICKETS)
            if doc.get("resolution") not in RESOLUTION_CODES and is_for_other_tickets(doc)
        ]
        return taught[::-1]

    def _team_skills(self) -> tuple[_Skills, _Staff]:
        """Return the team's skills by key in one spelling, and each user's keys."""
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
    """Return the skills a ticket needed, and its resolver if still on the staff."""
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
