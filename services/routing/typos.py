"""Skills and their other names, mistyped: "pritner", "kuberntes", "Salesfroce". Pure.

Two real words are often one letter apart (react and reach, pointer and printer, window and
windows), so this looks for slips of the fingers only: two letters swapped, one missing or one too
many inside a word of six letters or more, or one wrong letter in a word of nine.
"""

import re
from collections.abc import Collection
from functools import lru_cache

from rapidfuzz.distance import OSA

MIN_WORD_LENGTH = 6
MIN_SUBSTITUTION_LENGTH = 9
MAX_DISTINCT_WORDS = 2_000  # different ones, looked at in a text
_WORD = re.compile(rf"[^\W\d_]{{{MIN_WORD_LENGTH},30}}")
# Words of their own, a slip away from one of 236 common names of skills: all that there are among
# 65,000 English words (SCOWL up to size 55).
FALSE_FRIENDS = frozenset(
    {
        "auctions", "automaton", "backed", "badgers", "cantering", "cleansing", "contact",
        "contacts", "contrasts", "cratering", "fireballs", "fronted", "hating", "leashing",
        "licensee", "licensees", "meting", "paring", "pluming", "protector", "resorting",
        "retorting", "rousting", "serves", "severs", "shingle", "sparing", "sporing", "stater",
        "suppler", "widows", "workaday",
    }
)  # fmt: skip


def correct_typos(text: str, words: Collection[str]) -> str:
    """`text` with slips of `words` (case-folded) put right; everything else as it stands."""
    known = frozenset(word for word in words if len(word) >= MIN_WORD_LENGTH and word.isalpha())
    corrections: dict[str, str | None] = {}

    def replace_typo(match: re.Match[str]) -> str:
        word = match[0].casefold()
        if word not in corrections and len(corrections) < MAX_DISTINCT_WORDS:
            corrections[word] = find_correction(word, known)
        return corrections.get(word) or match[0]

    return _WORD.sub(replace_typo, text) if known else text


@lru_cache(maxsize=16_384)
def find_correction(word: str, known: frozenset[str]) -> str | None:
    """Which of the known words this is a slip of; None for none, for several, and for a word."""
    if word in known or word in FALSE_FRIENDS:
        return None
    found = [name for name in known if _is_slip(word, name)]
    return found[0] if len(found) == 1 else None


def _is_slip(word: str, name: str) -> bool:
    # Hardly anybody mistypes a first letter; at the end a letter is grammar (printed, windows).
    if word[0] != name[0] or word[-1] != name[-1] or abs(len(word) - len(name)) > 1:
        return False
    if OSA.distance(word, name, score_cutoff=1) != 1:
        return False
    is_wrong_letter = len(word) == len(name) and sorted(word) != sorted(name)
    return not is_wrong_letter or len(name) >= MIN_SUBSTITUTION_LENGTH
