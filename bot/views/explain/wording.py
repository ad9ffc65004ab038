"""The texts of a dry run, shared by the terminal and the modal."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from bot.views import labels
from services.analysis.analysis_store import edited_fields, model_name, skill_sources
from services.analysis.model_exchange import SkillMatch, is_low_confidence
from services.assignment.assignment_service import needs_assignment
from services.assignment.candidate import CORRECTIONS_WEIGHT, WEIGHTS, Obstacle, full_phrase
from services.assignment.explanation import (
    CandidateExclusion,
    CandidateScore,
    DryRun,
    LastAssignment,
)
from services.assignment.feedback import Correction, CorrectionKind
from services.availability.slack_status import NO_END
from services.core.coerce import as_datetime
from services.core.text import join_words
from services.models.events import EventType
from services.models.ticket import AnalysisSource, Status

CORRECTIONS = "corrections"
MAX_PARTS = {name: f"{weight:.3f}" for name, weight in WEIGHTS.items()} | {
    CORRECTIONS: f"±{CORRECTIONS_WEIGHT:.3f}"
}
# By part of the score: what puts a candidate ahead of the next.
LEADS = {
    "skills": "knows more of the skills it needs",
    "history": "has solved more tickets like it",
    "load": "has more room",
    "hours": "is at work, or sooner than the other",
    "fairness": "got fewer tickets lately",
    CORRECTIONS: "is preferred by colleagues for such tickets",
}
NO_CORRECTIONS = "No one has corrected an assignment of it."
BASIS_LABELS = {
    SkillMatch.KEYWORD: "named in the text",
    SkillMatch.LEARNED: "needed by similar resolved tickets",
}


@dataclass(frozen=True, slots=True)
class Formatter:
    """How names, times and quoted text are written for a medium."""

    name: Callable[[ObjectId | str | None], str]
    time: Callable[[datetime], str]
    quote: Callable[[str], str]


def assignment_state(dry_run: DryRun, formatter: Formatter) -> str:
    ticket = dry_run.ticket
    if ticket.status is Status.COMPLETED:
        status = labels.status(ticket)
        return f"{status}, so it is not assigned again. Below is who would get it."
    if ticket.assigned_to:
        return _capitalized(
            f"{formatter.name(ticket.assigned_to)} has it. Below is who would get it if it were "
            "unassigned."
        )
    retry_at = as_datetime(ticket.assignment.get("next"))
    if retry_at:
        return (
            f"No one could take it. The next try is {formatter.time(retry_at)}, or earlier if "
            "someone is available."
        )
    if needs_assignment(ticket):
        return "No one has it yet. It is about to be assigned as below."
    return (
        "No one has it. It was filed before this help desk was installed, so it is not assigned "
        "automatically. Below is who would get it."
    )


def analysis_rows(dry_run: DryRun, formatter: Formatter) -> dict[str, str]:
    """Return the analysis by label, without any text of the ticket."""
    analysis = dry_run.ticket.assignment.get("analysis") or {}
    at = as_datetime(analysis.get("at"))
    return {
        "Done by": _analysis_reader(dry_run, formatter),
        **({"Done": formatter.time(at)} if at and dry_run.is_analysed else {}),
        "Skills": _skills(dry_run, formatter),
        "Confidence": _confidence(analysis.get("confidence")),
        "Priority": _priority(dry_run),
        "Secrets": _secrets(dry_run),
    }


def last_choice(last: LastAssignment, formatter: Formatter) -> str:
    to, at = formatter.name(last.to), f" · {formatter.time(last.at)}" if last.at else "."
    if last.by == "system":
        return f"Assignment chose {to}{at}"
    if last.by == last.to:
        return _capitalized(f"{to} took it{at}")
    by = formatter.name(last.by)
    return _capitalized(f"{by} gave it to {to}{at}" if last.by else f"{to} got it elsewhere.")


def current_choice(dry_run: DryRun, formatter: Formatter) -> str:
    chosen = dry_run.explanation.chosen
    if chosen is None:
        return "No one is available for it."
    is_same = dry_run.last_assignment is not None and dry_run.last_assignment.to == chosen.user_id
    return f"{formatter.name(chosen.user_id)}{', as then' if is_same else ''}."


def lead_sentence(dry_run: DryRun, formatter: Formatter) -> str:
    """Return what puts the first candidate ahead of the second; "" if that is no part of the
    score, or there is no second."""
    if len(dry_run.explanation.eligible) < 2:
        return ""
    first, second = dry_run.explanation.eligible[:2]
    leads = {name: value - second.parts.get(name, 0) for name, value in first.parts.items()}
    most = max(leads, key=lambda name: leads[name], default="")
    if most not in LEADS or first.score < second.score or leads[most] <= 0:
        return ""
    ahead, behind = formatter.name(first.user_id), formatter.name(second.user_id)
    return f"{ahead} comes before {behind}, above all because {ahead} {LEADS[most]}."


def ranking_rule(dry_run: DryRun) -> str:
    """Return the order in which people are considered, and what counts most."""
    counts = (
        "skills count most, then room for more tickets, similar tickets, working hours and what "
        "colleagues corrected"
    )
    if skill_sources(dry_run.ticket).differ:
        return (
            "First come moderators who know a skill that the text names, then those who know "
            "another one it needs, then those who have solved similar tickets, then admins. Within "
            f"each, {counts}."
        )
    if dry_run.ticket.related_skills:
        return (
            "First come moderators who know a skill it needs, then those who have solved similar "
            f"tickets, then admins. Within each, {counts}."
        )
    return (
        "No skill was recognised: any moderator may have it, an admin only if there is none. Room "
        "for more tickets counts most. Between equals, it goes to the one with fewer tickets "
        "lately."
    )


def score_sum(score: float | None, parts: Mapping[str, float]) -> str:
    """Return "0.742 = skills 0.400 + load 0.192"."""
    terms = " + ".join(f"{name} {value}" for name, value in format_parts(score, parts).items())
    if score is None:
        return terms
    return f"{format_score(score)} = {terms}" if terms else format_score(score)


def format_parts(score: float | None, parts: Mapping[str, float]) -> dict[str, str]:
    """Return the parts, rounded so that they add up to the rounded score."""
    millionths = {name: round(value * 1_000_000) for name, value in parts.items()}
    if score is None or sum(millionths.values()) != round(score * 1_000_000):
        return {name: format_score(value) for name, value in parts.items()}
    missing = round(float(format_score(score)) * 1_000) - sum(
        n // 1_000 for n in millionths.values()
    )
    rounded_up = sorted(millionths, key=lambda name: -(millionths[name] % 1_000))[:missing]
    return {
        name: format_score((value // 1_000 + (name in rounded_up)) / 1_000)
        for name, value in millionths.items()
    }


def format_score(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}"  # no -0.000


def exclusion_text(dry_run: DryRun, candidate_score: CandidateScore, formatter: Formatter) -> str:
    """Return why the candidate would not be chosen."""
    candidate = candidate_score.candidate
    match candidate_score.exclusion:
        case Obstacle.AWAY:
            until = candidate.away_until
            return f"away until {formatter.time(until)}" if until and until < NO_END else "away"
        case Obstacle.FULL:
            return full_phrase(candidate.open_tickets, candidate.capacity)
        case Obstacle.DECLINED:
            return _declined(dry_run, candidate.user_id)
        case None:
            return ""
        case why:
            return EXCLUSION_TEXTS[why]


EXCLUSION_TEXTS = {
    Obstacle.REQUESTER: "filed it",
    Obstacle.INACTIVE: "deactivated",
    Obstacle.UNLINKED: "not linked to a Slack member",
    CandidateExclusion.NO_MATCH: "knows none of its skills and has not solved tickets like it",
    CandidateExclusion.NOT_SHORTLISTED: (
        "not on the shortlist: in a large team, only a few are compared at a time"
    ),
}


def reason_sentence(reason: str) -> str:
    """Return a reason such as "knows VPN · 2 of 8 tickets with this one" as it stands by itself."""
    return f"{reason[:1].upper()}{reason[1:]}"


def correction_sentence(made: Correction, formatter: Formatter) -> str:
    return _capitalized(f"{_correction_phrase(made, formatter)} · {formatter.time(made.at)}")


def _capitalized(sentence: str) -> str:
    """Capitalise the sentence, unless it begins with a name."""
    is_name = not sentence.startswith(("someone ", "no one "))
    return sentence if is_name else sentence[0].upper() + sentence[1:]


def _correction_phrase(made: Correction, formatter: Formatter) -> str:
    by = formatter.name(made.by or "")
    if made.kind is CorrectionKind.NOT_MINE:
        return f"{by} declined it"
    if made.from_ is None:
        return f"{by} gave it to {formatter.name(made.to)}"
    if made.to is None:
        return f"{by} took it from {formatter.name(made.from_)}"
    return f"{by} moved it from {formatter.name(made.from_)} to {formatter.name(made.to)}"


def _analysis_reader(dry_run: DryRun, formatter: Formatter) -> str:
    analysis = dry_run.ticket.assignment.get("analysis") or {}
    if not dry_run.is_analysed:
        why = "its text has changed since" if dry_run.was_analysed else "it is not analysed yet"
        return f"The offline router, just now and without storing it, because {why}"
    if analysis.get("source") == AnalysisSource.GEMINI:
        return f"Gemini ({formatter.quote(str(model_name(dry_run.ticket)))})"
    failure = analysis.get("failure")
    if not failure:
        return "The offline router"
    why = labels.FAILURE.get(failure, "gave no answer")
    return f"The offline router, because Gemini {why}"


def _skills(dry_run: DryRun, formatter: Formatter) -> str:
    skills = formatter.quote(join_words(dry_run.ticket.related_skills)) or "None recognised"
    if "relatedSkills" in edited_fields(dry_run.ticket):
        return f"{skills} (set by hand)"
    basis = (dry_run.ticket.assignment.get("analysis") or {}).get("basis")
    return f"{skills} ({BASIS_LABELS[SkillMatch(basis)]})" if basis in tuple(SkillMatch) else skills


def _confidence(stored: object) -> str:
    if not isinstance(stored, (int, float)):
        return "Only Gemini gives one"
    doubt = " (too low to rely on)" if is_low_confidence(stored) else ""
    return f"{stored:.0%}{doubt}"


def _priority(dry_run: DryRun) -> str:
    priority = dry_run.ticket.priority
    if text := labels.urgency_explanation(dry_run.ticket):
        return text
    if priority is None:
        return "Not set yet"
    analysed_priority = (dry_run.ticket.assignment.get("analysis") or {}).get("priority")
    by_hand = " (set by hand)" if dry_run.is_analysed and priority != analysed_priority else ""
    return f"{labels.PRIORITY[priority]}{by_hand}"


def _secrets(dry_run: DryRun) -> str:
    if not dry_run.has_secrets:
        return "None seen in its text"
    return "Seen in its text; masked before anything leaves this machine"


def _declined(dry_run: DryRun, user_id: ObjectId) -> str:
    losses = [
        event
        for event in dry_run.ticket.events
        if event.from_ == user_id
        and event.type in (EventType.UNASSIGNED, EventType.REASSIGNED_BY_ESCALATION)
        and not event.assignee_was_absent
    ]
    if losses and losses[-1].type == EventType.REASSIGNED_BY_ESCALATION:
        return "did not accept it in time"
    return "declined it" if losses and losses[-1].by == user_id else "had it before"
