"""The choice of an assignee, its source and its reasons."""

from dataclasses import dataclass
from enum import StrEnum

from bson import ObjectId


class AnalysisSource(StrEnum):
    """Who read the ticket."""

    GEMINI = "gemini"
    ROUTER = "router"


class ChoiceReason(StrEnum):
    SKILLS = "skills"
    HISTORY = "history"
    LEAST_LOADED = "least_loaded"
    NO_SKILL_MATCH = "nobody_knows"


@dataclass(frozen=True, slots=True)
class AssigneeChoice:
    """`reason` is a phrase for the assignee; `parts` add up to `score`."""

    user_id: ObjectId
    main_reason: ChoiceReason
    reason_text: str
    score: float
    score_parts: dict[str, float]


MANUAL_SOURCE = "manual"  # as `assignment.source` of what assignment did not choose
