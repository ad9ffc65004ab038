"""What a ticket is about, what analysed it, and the strict parser for a model's answer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.analysis.urgency import UrgencySignal
from services.core.text import strip_invisible
from services.models.assignee_choice import AnalysisSource
from services.models.ticket import Priority

MAX_SUMMARY = 500
MAX_NOTES = 2_000
# A model that is less confident than this is not taken at its word.
MIN_CONFIDENCE = 0.4


class SkillMatch(StrEnum):
    """By what the offline router found the skills."""

    KEYWORD = "named"
    LEARNED = "learned"


class FailureReason(StrEnum):
    """Why there is no answer from the model. Stored with the ticket and shown on the card."""

    TIMEOUT = "timeout"
    QUOTA = "quota"
    UNAVAILABLE = "unavailable"
    BLOCKED = "blocked"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    UNREADABLE = "unreadable"
    OFF_SCHEMA = "off_schema"
    REFUSED_KEY = "refused_key"
    REFUSED_REQUEST = "refused_request"


class AnalysisFailed(Exception):
    """No answer from the model. Holds the reason alone, never the ticket's or the model's text."""

    def __init__(self, reason: FailureReason) -> None:
        super().__init__(reason.value)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was found out about a ticket. `tokens` and `ms` are the model call's cost.

    `failure` is set where the router stands in for a model that failed, and says why; `basis` where
    the router found skills, and says how. `signal` is what besides a claim speaks for urgent.
    """

    summary: str | None
    priority: Priority | None
    related_skills: tuple[str, ...]
    helpful_notes: str | None
    confidence: float | None
    source: AnalysisSource
    model: str | None = None
    tokens: int | None = None
    ms: int | None = None
    failure: str | None = None
    basis: SkillMatch | None = None
    signal: UrgencySignal | None = None


@dataclass(frozen=True, slots=True)
class Precedent:
    """A resolved ticket: what a model wrote about it, and the skills it took. Nobody's own words
    and no names."""

    summary: str
    skills: tuple[str, ...] = ()


def is_low_confidence(confidence: float | None) -> bool:
    """Whether a model that says so is not to be taken at its word. None: nobody was asked."""
    return confidence is not None and confidence < MIN_CONFIDENCE


class Analyst(Protocol):
    """Somebody who reads tickets."""

    def analyse(
        self,
        *,
        title: str,
        description: str,
        skills: Sequence[str],
        precedents: Sequence[Precedent] = (),
    ) -> Analysis:
        """Raises `AnalysisFailed`."""
        ...


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """A model's answer that kept to the schema. `confidence` is 0 to 1."""

    summary: str
    priority: Priority
    related_skills: tuple[str, ...]
    helpful_notes: str | None
    confidence: float


def answer_schema(skills: Sequence[str]) -> dict[str, Any]:
    """The answer's shape in the OpenAPI subset that Gemini's `responseSchema` takes."""
    properties: dict[str, Any] = {
        "summary": {
            "type": "STRING",
            "description": f"What is wrong or wanted, at most {MAX_SUMMARY} characters.",
        },
        "priority": {"type": "STRING", "enum": [priority.value for priority in Priority]},
        "helpfulNotes": {
            "type": "STRING",
            "description": f"First steps for the moderator, at most {MAX_NOTES} characters.",
        },
        "confidence": {"type": "NUMBER", "description": "Between 0 and 1."},
    }
    if choices := canonical_skills(skills):
        # Left out when there are none: Gemini refuses an empty enum.
        properties["relatedSkills"] = {
            "type": "ARRAY",
            "items": {"type": "STRING", "enum": list(choices.values())},
            "description": "The skills needed to solve it; empty if none of them fits.",
        }
    return {"type": "OBJECT", "properties": properties, "required": list(properties)}


def canonical_skills(skills: Sequence[str]) -> Mapping[str, str]:
    """Case-folded skill to its spelling. Of two spellings the first one stands for both."""
    canonical: dict[str, str] = {}
    for skill in skills:
        if name := skill.strip():
            canonical.setdefault(name.casefold(), name)
    return canonical


class _Wire(BaseModel):
    """The answer as it arrives: no other keys, no other types, nothing coerced."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    summary: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_SUMMARY)
    ]
    priority: Literal["low", "medium", "high", "urgent"]
    related_skills: tuple[str, ...] = Field(default=(), alias="relatedSkills")
    helpful_notes: Annotated[
        str, StringConstraints(strip_whitespace=True, max_length=MAX_NOTES)
    ] = Field(alias="helpfulNotes")
    confidence: float = Field(ge=0, le=1, allow_inf_nan=False)


def parse_answer(raw: str, *, skills: Sequence[str]) -> ModelAnswer:
    """Parse the model's JSON text; anything off the schema is `AnalysisFailed`."""
    choices = canonical_skills(skills)
    wire = _read(raw)
    if wire is None or (choices and "related_skills" not in wire.model_fields_set):
        raise AnalysisFailed(FailureReason.OFF_SCHEMA)
    named = [choices.get(name.strip().casefold()) for name in wire.related_skills]
    known = [name for name in named if name is not None]
    summary = strip_invisible(wire.summary).strip()
    if len(known) < len(named) or not summary:
        raise AnalysisFailed(FailureReason.OFF_SCHEMA)
    return ModelAnswer(
        summary=summary,
        priority=Priority(wire.priority),
        related_skills=tuple(dict.fromkeys(known)),
        helpful_notes=strip_invisible(wire.helpful_notes).strip() or None,
        confidence=wire.confidence,
    )


def _read(raw: str) -> _Wire | None:
    # pydantic's error quotes the values it refused. Returning, rather than raising from in here,
    # keeps it out of the raised error's context too, where a log or a crash reporter would look.
    try:
        wire = _Wire.model_validate_json(raw)
    except ValidationError:
        return None
    return wire if _has_unique_keys(raw) else None


def _has_unique_keys(raw: str) -> bool:
    """Of a key that comes twice pydantic takes the last, and another reader the first."""
    lengths: list[tuple[int, int]] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        lengths.append((len(pairs), len(dict(pairs))))

    try:
        json.loads(raw, object_pairs_hook=note)
    except (ValueError, RecursionError):  # in what the second of two hid from pydantic
        return False
    return all(count == different for count, different in lengths)
