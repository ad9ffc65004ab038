"""The learned models in the database, and each process's cached copy.

A model is one document of `models`, so it is replaced atomically. A process reads the versions at
most every ten seconds, and a model only when its version is new.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError, PyMongoError

from services.core.clock import Clock, utcnow
from services.core.coerce import as_datetime, as_int
from services.core.database import Mongo
from services.routing.learned_model import LearnedModel, UnreadableModel, from_doc, to_doc

logger = logging.getLogger(__name__)

REFRESH_INTERVAL = timedelta(seconds=10)


class ModelKind(StrEnum):
    """What the labels of a model are."""

    SKILLS = "skills"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class StoredModelInfo:
    """A stored model's metadata; `version` is None if another program stored it."""

    exists: bool = False
    version: Any = None
    trained_at: datetime | None = None
    example_count: int = 0


class ModelStore:
    """One per process, shared by its threads."""

    def __init__(self, db: Mongo, *, clock: Clock = utcnow) -> None:
        self._db = db
        self._clock = clock
        self._refreshed_at: datetime | None = None
        self._cache: dict[ModelKind, tuple[int, LearnedModel | None]] = {}
        self._lock = threading.Lock()

    def skill_model(self) -> LearnedModel | None:
        """Return the model of skills; None before the first training."""
        return self._cached(ModelKind.SKILLS)

    def resolver_scores(self, text: str) -> Mapping[ObjectId, float]:
        """Return who resolved similar tickets, above 0 to 1: how far their share exceeds an even
        one.

        Empty if the text resembles no resolved ticket, or if only one user has resolved any: then
        any text would resemble those.
        """
        model = self._cached(ModelKind.PEOPLE)
        ranked = model.rank(text) if model and model.is_familiar_with(text) else []
        if len(ranked) < 2:
            return {}
        total = sum(share for _, share in ranked)
        even = total / len(ranked)
        return {
            ObjectId(label): (share - even) / (total - even) * total
            for label, share in ranked
            if share > even and ObjectId.is_valid(label)
        }

    def stored_info(self, kind: ModelKind) -> StoredModelInfo:
        fields = {"version": True, "at": True, "examples": True}
        doc = self._db.models.find_one({"_id": kind.value}, fields)
        if doc is None:
            return StoredModelInfo()
        examples = as_int(doc.get("examples")) or 0
        return StoredModelInfo(True, doc.get("version"), as_datetime(doc.get("at")), examples)

    def replace(
        self, kind: ModelKind, model: LearnedModel, *, expected: StoredModelInfo, now: datetime
    ) -> bool:
        """Replace the model that was `expected`; False if another process was first."""
        version = (as_int(expected.version) or 0) + 1
        doc = {**to_doc(model), "version": version, "at": now}
        try:
            if not expected.exists:
                self._db.models.insert_one({"_id": kind.value, **doc})
                return True
        except DuplicateKeyError:
            return False
        current = {"_id": kind.value, "version": expected.version}
        return self._db.models.update_one(current, {"$set": doc}).modified_count == 1

    def _cached(self, kind: ModelKind) -> LearnedModel | None:
        with self._lock:
            now = self._clock()
            if self._refreshed_at is None or now - self._refreshed_at >= REFRESH_INTERVAL:
                self._refreshed_at = now
                try:
                    self._refresh()
                except PyMongoError as error:  # the cached models will do
                    logger.warning("cannot read the learned models: %s", type(error).__name__)
            return self._cache.get(kind, (0, None))[1]

    def _refresh(self) -> None:
        kinds = [kind.value for kind in ModelKind]
        found = self._db.models.find({"_id": {"$in": kinds}}, {"version": True})
        versions = {ModelKind(doc["_id"]): as_int(doc.get("version")) or 0 for doc in found}
        for kind, version in versions.items():
            if version != self._cache.get(kind, (-1, None))[0]:
                self._cache[kind] = (version, self._read(kind))
        for gone in self._cache.keys() - versions.keys():
            del self._cache[gone]

    def _read(self, kind: ModelKind) -> LearnedModel | None:
        """Return None, and log it once per version, if the model cannot be read."""
        doc = self._db.models.find_one({"_id": kind.value})
        try:
            model = from_doc(doc) if doc else None
        except UnreadableModel as error:
            logger.error("the learned model of %s cannot be read: %s", kind.value, error)
            return None
        if model:
            logger.info(
                "read a model of %s, trained on %d tickets", kind.value, model.example_count
            )
        return model
