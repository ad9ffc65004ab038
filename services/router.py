"""The offline router: which of the team's skills does a ticket name? No network, no model."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from services.analysis import Analysis, FailureReason, Source, canonical_skills

# Skills which are everyday words too: "I have no access" does not ask for the Access expert.
# They count, like all of one or two letters (IT, Go, R), only as their owner spelled them;
# longer abbreviations are no words, so "vpn" finds VPN.
EVERYDAY_WORDS = frozenset(
    {
        "access", "base", "box", "chef", "dart", "exchange", "express", "flow", "forms", "linear",
        "lists", "make", "notion", "office", "project", "puppet", "react", "rust", "salt", "share",
        "slack", "spark", "spring", "swift", "teams", "word",
    }
)  # fmt: skip
LETTER = r"[^\W_]"  # of any script, or a digit
DASH = r"[-\s\u2010-\u2015]"


def route(
    *, title: str, description: str, skills: Sequence[str], failure: FailureReason | None = None
) -> Analysis:
    """What can be said without a model. `failure` says why the model was not heard."""
    return Analysis(
        summary=None,
        priority=None,
        related_skills=skills_named(f"{title}\n{description}", skills),
        helpful_notes=None,
        confidence=None,
        source=Source.ROUTER,
        failure=failure.value if failure else None,
    )


def skills_named(text: str, skills: Sequence[str]) -> tuple[str, ...]:
    """The skills that `text` names, each once, in order of first mention.

    A skill inside a longer one ("Windows" in "Windows Server") is not a mention of its own.
    """
    text = unicodedata.normalize("NFC", text)
    mentions = sorted(
        (match.start(), -match.end(), skill)
        for skill in canonical_skills(skills).values()
        for match in _pattern(skill).finditer(text)
    )
    named: dict[str, None] = {}
    covered = 0  # where the longest mention so far ends
    for start, negative_end, skill in mentions:
        if -negative_end > covered or start >= covered:
            named[skill] = None
            covered = -negative_end
    return tuple(named)


@lru_cache(maxsize=4_096)
def _pattern(skill: str) -> re.Pattern[str]:
    skill = unicodedata.normalize("NFC", skill)
    exact = (len(skill) <= 2 and skill.isalnum()) or skill.casefold() in EVERYDAY_WORDS
    body = rf"{DASH}{{1,3}}".join(_word(word) for word in skill.split())
    if not exact and skill[-1].isalpha():
        body += "s?"  # printers
    return re.compile(
        _left_edge(skill) + body + _right_edge(skill), re.NOFLAG if exact else re.IGNORECASE
    )


def _word(word: str) -> str:
    """`word` escaped; its hyphens may be missing or blanks ("Wi-Fi", "wifi")."""
    return f"{DASH}?".join(re.escape(part) for part in word.split("-"))


def _left_edge(skill: str) -> str:
    if len(skill) == 1:
        return rf"(?<!{LETTER})(?<![_&'\u2019.\\/-])"  # no R in "R&D", no C in "A/C"
    return rf"(?<!{LETTER})"


def _right_edge(skill: str) -> str:
    """What may not follow: a letter, or the ++ and # that make another language of it."""
    if not skill[-1].isalnum():
        return r"(?![+#])(?![^\W\d_])"  # C++17 is C++
    edge = rf"(?!{LETTER})(?![+#]+(?!{LETTER}))"
    if len(skill) == 1:
        edge += rf"(?![_&:'\u2019\\+#-])(?!\.{LETTER})"  # no C in "C:\Users" or "C-level"
    return edge
