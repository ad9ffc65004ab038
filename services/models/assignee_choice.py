"""The choice of an assignee, its reasons, and what analysed the ticket."""

from dataclasses import dataclass
from enum import StrEnum

from bson import ObjectId

MANUAL_SOURCE = "manual"  # the `assignment.source` of an assignee chosen by a user


class AnalysisSource(StrEnum):
    GEMINI = "gemini"
    ROUTER = "router"


class ChoiceReason(StrEnum):
    SKILLS = "skills"
    HISTORY = "history"
    LEAST_LOADED = "least_loaded"
    NO_SKILL_MATCH = "nobody_knows"


@dataclass(frozen=True, slots=True)
class AssigneeChoice:
    """`reason_text` is a phrase for the assignee; `score_parts` add up to `score`."""

    user_id: ObjectId
    main_reason: ChoiceReason
    reason_text: str
    score: float
    score_parts: dict[str, float]
