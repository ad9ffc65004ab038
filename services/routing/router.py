"""The offline router: which of the team's skills does a ticket need? No network, no Gemini.

Those it names, by name, other name or mistyped; and those that similar resolved tickets needed.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.analysis.model_answer import Analysis, FailureReason, SkillMatch, canonical_skills
from services.core.text import UNSPACED_SCRIPT_RANGES
from services.models.assignee_choice import AnalysisSource
from services.routing.aliases import aliases_of
from services.routing.features import MAX_TEXT_LENGTH
from services.routing.learned_model import LearnedModel
from services.routing.typos import correct_typos

# Skills which are everyday words too: "I have no access" does not ask for the Access expert.
# They count, like all of one or two letters (IT, Go, R), only as their owner spelled them;
# longer abbreviations are no words, so "vpn" finds VPN.
AMBIGUOUS_SKILLS = frozenset(
    {
        "access", "base", "box", "chef", "dart", "exchange", "express", "flow", "forms", "linear",
        "lists", "make", "notion", "office", "project", "puppet", "react", "rust", "salt", "share",
        "slack", "spark", "spring", "swift", "teams", "word",
    }
)  # fmt: skip
LETTER_PATTERN = (
    rf"[^\W_{UNSPACED_SCRIPT_RANGES}]"  # of a script with blanks between words, or a digit
)
DASH_PATTERN = r"[-\s\u2010-\u2015]"
_UNSPACED = re.compile(f"[{UNSPACED_SCRIPT_RANGES}]")
# These would become letters of the word before them: no VPN in "VPN™".
_SPACED_SIGNS = {ord(sign): f" {sign}" for sign in "\u2122\u2120"}


# Below this share, a learned skill was wrong more often than right in cross-validation.
MIN_LIKELY_SHARE = 0.3
# And where few skills are known, it stands out: words that tell nothing favour none of them.
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
    """What can be said offline. `failure` says why the model was not heard.

    `learned` is what resolved tickets taught: it speaks of a text like them where that names no
    skill, and first once it has shown that it knows better.
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
    """The skills by how likely the text needs each, in the order `route` would go by."""
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
    """In the team's spelling, without skills that nobody has any more."""
    return [
        (choices[label.casefold()], share) for label, share in ranked if label.casefold() in choices
    ]


def match_skills(text: str, skills: Sequence[str]) -> tuple[str, ...]:
    """The skills that `text` names, each once, in order of first mention.

    By their own name, by one of `services.routing.aliases` or mistyped, in the first 20,000
    characters: the predecessor's tickets may be of any length. A skill inside a longer one
    ("Windows" in "Windows Server") is not a mention of its own.
    """
    compiled = _skill_patterns(tuple(canonical_skills(skills).values()))
    text = correct_typos(_normalise(text[:MAX_TEXT_LENGTH]), compiled.words)
    mentions = sorted(
        (match.start(), -match.end(), place)
        for place, (pattern, _) in enumerate(compiled.patterns)
        for match in pattern.finditer(text)
    )
    named: dict[str, None] = {}
    covered = 0  # where the longest mention so far ends
    for start, negative_end, place in mentions:
        if -negative_end > covered or start >= covered:
            named.update(dict.fromkeys(compiled.patterns[place][1]))
            covered = -negative_end
    return tuple(named)


@dataclass(frozen=True, slots=True)
class _SkillPatterns:
    """What to look for, and the skills each stands for; `words` are the longer ones in them."""

    patterns: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...]
    words: frozenset[str]


@lru_cache(maxsize=16)  # the team's, and what they were before somebody learned something
def _skill_patterns(skills: tuple[str, ...]) -> _SkillPatterns:
    own = {skill: (skill,) for skill in sorted(skills)}
    meant = {**own, **aliases_of(skills)}
    words = {word for name in meant for word in re.split(rf"{DASH_PATTERN}+", name.casefold())}
    return _SkillPatterns(
        patterns=tuple((_pattern(name), stands_for) for name, stands_for in meant.items()),
        words=frozenset(words) - AMBIGUOUS_SKILLS,
    )


@lru_cache(maxsize=4_096)
def _pattern(skill: str) -> re.Pattern[str]:
    skill = _normalise(skill)
    exact = (len(skill) <= 2 and skill.isalnum()) or skill.casefold() in AMBIGUOUS_SKILLS
    body = rf"{DASH_PATTERN}{{1,3}}".join(_word(word) for word in skill.split())
    if not exact and skill[-1].isalpha():
        body += "s?"  # printers
    return re.compile(
        _left_edge(skill) + body + _right_edge(skill), re.NOFLAG if exact else re.IGNORECASE
    )


def _normalise(text: str) -> str:
    """In one form, however wide or joined its letters were typed."""
    return unicodedata.normalize("NFKC", text.translate(_SPACED_SIGNS))


def _word(word: str) -> str:
    """`word` escaped; its hyphens may be missing or blanks ("Wi-Fi", "wifi")."""
    return f"{DASH_PATTERN}?".join(re.escape(part) for part in word.split("-"))


def _left_edge(skill: str) -> str:
    if _UNSPACED.match(skill):
        return ""
    if len(skill) == 1:
        return rf"(?<!{LETTER_PATTERN})(?<![_&'\u2019.\\/-])"  # no R in "R&D", no C in "A/C"
    return rf"(?<!{LETTER_PATTERN})"


def _right_edge(skill: str) -> str:
    """What may not follow: a letter, or the ++ and # that make another language of it."""
    if _UNSPACED.match(skill[-1]):
        return ""
    if not skill[-1].isalnum():
        return rf"(?![+#])(?![^\W\d_{UNSPACED_SCRIPT_RANGES}])"  # C++17 is C++
    edge = rf"(?!{LETTER_PATTERN})(?![+#]+(?!{LETTER_PATTERN}))"
    if len(skill) == 1:
        edge += rf"(?![_&:'\u2019\\+#-])(?!\.{LETTER_PATTERN})"  # no C in "C:\Users" or "C-level"
    return edge
