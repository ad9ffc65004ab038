"""The offline router finds which of the team's skills a ticket needs, without network or Gemini.

It finds the skills that the text names, by name, alias or mistyped, and those that similar resolved
tickets needed.
"""

from collections.abc import Mapping, Sequence

from services.analysis.model_exchange import Analysis, FailureReason, SkillMatch, canonical_skills
from services.models.ticket import AnalysisSource
from services.routing.learned_model import LearnedModel
from services.routing.skill_matching import match_skills

# Below this share, a learned skill was mostly wrong in cross-validation.
MIN_LIKELY_SHARE = 0.3
# With few known skills a likely one must also stand out: uninformative words favour no skill.
MIN_SHARE_RATIO = 1.5  # times the average share
MAX_LEARNED_SKILLS = 3


def route(
    *,
    title: str,
    description: str,
    skills: Sequence[str],
    failure: FailureReason | None = None,
    learned: LearnedModel | None = None,
) -> Analysis:
    """Analyse a ticket offline. `failure` says why the model's answer is missing.

    `learned` is used for a text that resembles its tickets, if the text names no skill or the model
    is preferred.
    """
    text = f"{title}\n{description}"
    choices = canonical_skills(skills)
    named = match_skills(text, skills)
    likely: list[str] = []
    if learned and (learned.is_preferred or not named) and learned.is_familiar_with(text):
        likely = _likely_skills(_team_labels(learned.rank(text), choices))
    return Analysis(
        summary=None,
        priority=None,
        related_skills=tuple(dict.fromkeys([*likely, *named])),
        helpful_notes=None,
        confidence=None,
        source=AnalysisSource.ROUTER,
        failure=failure.value if failure else None,
        basis=SkillMatch.LEARNED if likely else SkillMatch.KEYWORD if named else None,
    )


def rank_skills(text: str, skills: Sequence[str], learned: LearnedModel | None = None) -> list[str]:
    """Return the skills by how likely the text needs them, in the order of `route`."""
    named = match_skills(text, skills)
    shares = _team_labels(learned.rank(text) if learned else [], canonical_skills(skills))
    by_share = [skill for skill, _ in shares]
    first, then = (by_share, named) if learned and learned.is_preferred else (named, by_share)
    return list(dict.fromkeys([*first, *then]))


def _likely_skills(ranked: Sequence[tuple[str, float]]) -> list[str]:
    average = sum(share for _, share in ranked) / max(len(ranked), 1)
    least = max(MIN_LIKELY_SHARE, MIN_SHARE_RATIO * average if len(ranked) > 1 else 0)
    return [skill for skill, share in ranked if share >= least][:MAX_LEARNED_SKILLS]


def _team_labels(
    ranked: Sequence[tuple[str, float]], choices: Mapping[str, str]
) -> list[tuple[str, float]]:
    """Return the labels in the team's spelling, without skills the team no longer has."""
    return [
        (choices[label.casefold()], share) for label, share in ranked if label.casefold() in choices
    ]
