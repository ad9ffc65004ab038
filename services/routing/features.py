"""The features of a text for the learned model: hashes of its words, with weights.

In scripts without spaces between words each pair of letters counts as a word, unless both are
hiragana: those are mostly grammar.

Hashes keep names and addresses out of a stored model; secrets are masked before. CRC-32 is the same
in every process and version, and collisions among a team's words hardly matter.
"""

import math
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise

from services.core.redaction import mask
from services.core.text import UNSPACED_SCRIPT_RANGES

# A ticket has at most 3,150 characters; the predecessor's may be of any length.
MAX_TEXT_LENGTH = 20_000
# `\w` does not match the vowel marks of India's scripts, so their blocks are listed.
_WORD_PATTERN = re.compile(
    rf"(?P<unspaced>[{UNSPACED_SCRIPT_RANGES}]+)|(?:[^\W_{UNSPACED_SCRIPT_RANGES}]|[\u0900-\u0963\u0966-\u0dff])+"
)
_HIRAGANA = re.compile(r"[\u3041-\u309f]+")
# Longer runs are keys and hashes, which do not recur.
_MIN_WORD_LENGTH, _MAX_WORD_LENGTH = 2, 30


def extract_features(text: str) -> Mapping[int, float]:
    """Map each word's hash to log(1 + count), for the first 20,000 characters."""
    plain = unicodedata.normalize("NFKC", mask(text[:MAX_TEXT_LENGTH])).casefold()
    counts = Counter(zlib.crc32(word.encode()) for word in _words(plain))
    return {word: math.log1p(count) for word, count in counts.items()}


def _words(text: str) -> Iterator[str]:
    for run in _WORD_PATTERN.finditer(text):
        word = run[0]
        if run["unspaced"]:
            pairs = map("".join, pairwise(word)) if len(word) > 1 else (word,)
            yield from (pair for pair in pairs if not _HIRAGANA.fullmatch(pair))
        elif _MIN_WORD_LENGTH <= len(word) <= _MAX_WORD_LENGTH:
            yield word
