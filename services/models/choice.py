"""The choice of an assignee, its source and its reasons."""

from dataclasses import dataclass
from enum import StrEnum

from bson import ObjectId


class AnalysisSource(StrEnum):
    """Who read the ticket."""

    GEMINI = "gemini"
    ROUTER = "router"


class Reason(StrEnum):
    SKILLS = "skills"
    HISTORY = "history"
    LEAST_LOADED = "least_loaded"
    NOBODY_KNOWS = "nobody_knows"


@dataclass(frozen=True, slots=True)
class Choice:
    """`reason` is a phrase for the assignee; `parts` add up to `score`."""

    user_id: ObjectId
    why: Reason
    reason: str
    score: float
    parts: dict[str, float]


MANUAL = "manual"  # as `assignment.source` of what assignment did not choose
