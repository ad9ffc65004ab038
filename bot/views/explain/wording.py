"""What is said of a dry run, in a terminal as in Slack."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from bot.views import labels
from services.analysis.analysis_store import edited_fields
from services.analysis.model_answer import SkillMatch, is_low_confidence
from services.assignment.assignment_service import needs_assignment
from services.assignment.candidate import Obstacle
from services.assignment.dry_run import DryRun
from services.assignment.explanation import CandidateExclusion, CandidateScore, LastAssignment
from services.assignment.feedback import Correction, CorrectionKind
from services.assignment.reasons import join_words
from services.assignment.scoring import CORRECTIONS_WEIGHT, WEIGHTS
from services.availability.slack_status import NO_END
from services.core.coerce import as_datetime
from services.models.assignee_choice import AnalysisSource
from services.models.events import EventType
from services.models.ticket import Status

CORRECTIONS = "corrections"
AT_MOST = {name: f"{weight:.3f}" for name, weight in WEIGHTS.items()} | {
    CORRECTIONS: f"±{CORRECTIONS_WEIGHT:.3f}"
}
NOTHING_KEPT = "Nobody has said anything against a choice for it."
BASIS = {
    SkillMatch.KEYWORD: "named in the text",
    SkillMatch.LEARNED: "needed by similar resolved tickets",
}


@dataclass(frozen=True, slots=True)
class Voice:
    """How people and moments are written where it is read, and what somebody wrote is quoted."""

    named: Callable[[ObjectId | str | None], str]
    at: Callable[[datetime], str]
    quoted: Callable[[str], str]


def state(run: DryRun, voice: Voice) -> str:
    """How the ticket stands with assignment."""
    ticket = run.ticket
    if ticket.status is Status.COMPLETED:
        status = labels.status(ticket)
        return f"{status}, so assignment leaves it alone. Below is whom it would choose."
    if ticket.assigned_to:
        return _begun(
            f"{voice.named(ticket.assigned_to)} has it. Below is whom assignment would choose, "
            "if nobody had it."
        )
    again = as_datetime(ticket.assignment.get("next"))
    if again:
        return (
            f"Nobody could take it. Assignment looks again at {voice.at(again)}, and as soon as "
            "somebody becomes available."
        )
    if needs_assignment(ticket):
        return "Nobody has it yet. Assignment is about to choose as below."
    return (
        "Nobody has it, and assignment leaves it to people: it was filed before this help desk "
        "came. Below is whom it would choose."
    )


def reading(run: DryRun, voice: Voice) -> dict[str, str]:
    """The analysis, by what each line is about. Nothing of the ticket's own words."""
    kept = run.ticket.assignment.get("analysis") or {}
    at = as_datetime(kept.get("at"))
    return {
        "Read by": _reader(run, voice),
        **({"Read": voice.at(at)} if at and run.is_analysed else {}),
        "Skills": _skills(run, voice),
        "Confidence": _confidence(kept.get("confidence")),
        "Priority": _priority(run),
        "Secrets": _secrets(run),
    }


def chosen_then(then: LastAssignment, voice: Voice) -> str:
    to, at = voice.named(then.to), f" on {voice.at(then.at)}" if then.at else ""
    if then.by == "system":
        return f"Assignment chose {to}{at}."
    if then.by == then.to:
        return _begun(f"{to} took it{at}.")
    by = voice.named(then.by)
    return _begun(f"{by} gave it to {to}{at}." if then.by else f"{to} got it elsewhere.")


def chosen_now(run: DryRun, voice: Voice) -> str:
    chosen = run.explanation.chosen
    if chosen is None:
        return "Nobody: nobody is available for it."
    same = run.last_assignment is not None and run.last_assignment.to == chosen.user_id
    return f"{voice.named(chosen.user_id)}{', as then' if same else ''}."


def rule(run: DryRun) -> str:
    """In which order people are considered."""
    if run.ticket.related_skills:
        return (
            "First come moderators who know a skill it needs, then those who have solved similar "
            "tickets, then admins. Within each the score decides."
        )
    return (
        "No skill was recognised: any moderator may have it, an admin only where there is none. "
        "The score decides; fairness counts only between equals."
    )


def sum_of(score: float | None, parts: Mapping[str, float]) -> str:
    """As "0.742 = skills 0.400 + load 0.192"."""
    told = " + ".join(f"{name} {value}" for name, value in numbers(score, parts).items())
    if score is None:
        return told
    return f"{number(score)} = {told}" if told else number(score)


def numbers(score: float | None, parts: Mapping[str, float]) -> dict[str, str]:
    """The parts as they are read: so rounded that they add up to the score as that is read."""
    millionths = {name: round(value * 1_000_000) for name, value in parts.items()}
    if score is None or sum(millionths.values()) != round(score * 1_000_000):
        return {name: number(value) for name, value in parts.items()}
    missing = round(float(number(score)) * 1_000) - sum(n // 1_000 for n in millionths.values())
    most_cut = sorted(millionths, key=lambda name: -(millionths[name] % 1_000))[:missing]
    return {
        name: number((value // 1_000 + (name in most_cut)) / 1_000)
        for name, value in millionths.items()
    }


def number(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}"  # no -0.000


def left_out(run: DryRun, one: CandidateScore, voice: Voice) -> str:
    """Why they would not be chosen."""
    who = one.candidate
    match one.exclusion:
        case Obstacle.AWAY:
            until = who.away_until
            return f"away until {voice.at(until)}" if until and until < NO_END else "away"
        case Obstacle.FULL:
            return f"at capacity: {who.open_tickets} of {who.capacity} open"
        case Obstacle.DECLINED:
            return _declined(run, who.user_id)
        case None:
            return ""
        case why:
            return LEFT_OUT[why]


LEFT_OUT = {
    Obstacle.REQUESTER: "filed it",
    Obstacle.INACTIVE: "deactivated",
    Obstacle.UNLINKED: "not linked to anybody in Slack",
    CandidateExclusion.NO_MATCH: "knows none of its skills and has not solved tickets like it",
    CandidateExclusion.NOT_SHORTLISTED: (
        "not on the shortlist: of so large a team a few are looked at at a time"
    ),
}


def correction(made: Correction, voice: Voice) -> str:
    return _begun(f"{_correction(made, voice)} on {voice.at(made.at)}.")


def _begun(sentence: str) -> str:
    """With a capital, where it begins with no name."""
    is_name = not sentence.startswith(("someone ", "nobody "))
    return sentence if is_name else sentence[0].upper() + sentence[1:]


def _correction(made: Correction, voice: Voice) -> str:
    by = voice.named(made.by or "")
    if made.kind is CorrectionKind.NOT_MINE:
        return f"{by} said that it was not theirs"
    if made.from_ is None:
        return f"{by} gave it to {voice.named(made.to)}"
    if made.to is None:
        return f"{by} took it from {voice.named(made.from_)}"
    return f"{by} moved it from {voice.named(made.from_)} to {voice.named(made.to)}"


def _reader(run: DryRun, voice: Voice) -> str:
    kept = run.ticket.assignment.get("analysis") or {}
    if not run.is_analysed:
        why = "its words have changed since" if run.was_analysed else "nobody has read it yet"
        return f"The offline router, just now and without storing it, because {why}"
    if kept.get("source") == AnalysisSource.GEMINI:
        return f"Gemini ({voice.quoted(str(kept.get('model')))})"
    failure = kept.get("failure")
    if not failure:
        return "The offline router"
    why = labels.FAILURE.get(failure, "gave no answer")
    return f"The offline router, because Gemini {why}"


def _skills(run: DryRun, voice: Voice) -> str:
    skills = voice.quoted(join_words(run.ticket.related_skills)) or "None recognised"
    if "relatedSkills" in edited_fields(run.ticket):
        return f"{skills} (set by hand)"
    basis = (run.ticket.assignment.get("analysis") or {}).get("basis")
    return f"{skills} ({BASIS[SkillMatch(basis)]})" if basis in tuple(SkillMatch) else skills


def _confidence(stored: object) -> str:
    if not isinstance(stored, (int, float)):
        return "Not given: only a model says how sure it is"
    doubt = ": not taken at its word" if is_low_confidence(stored) else ""
    return f"{stored:.2f}{doubt}"


def _priority(run: DryRun) -> str:
    """And why, where somebody called it urgent."""
    priority = run.ticket.priority
    if told := labels.urgency(run.ticket):
        return told
    if priority is None:
        return "Not set yet"
    found = (run.ticket.assignment.get("analysis") or {}).get("priority")
    by_hand = " (set by hand)" if run.is_analysed and priority != found else ""
    return f"{labels.PRIORITY[priority]}{by_hand}"


def _secrets(run: DryRun) -> str:
    if not run.has_secrets:
        return "None seen in its text"
    return "Seen in its text; masked before anything leaves this machine"


def _declined(run: DryRun, user_id: ObjectId) -> str:
    had = [
        event.type
        for event in run.ticket.events
        if event.from_ == user_id
        and event.type in (EventType.UNASSIGNED, EventType.REASSIGNED_BY_ESCALATION)
        and not event.assignee_was_absent
    ]
    is_late = bool(had) and had[-1] == EventType.REASSIGNED_BY_ESCALATION
    return "did not accept it in time" if is_late else "handed it back"
