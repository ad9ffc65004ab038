"""What a text is to the learned model: its words, as hashes, with how much each counts.

Hashes and not words, so that a stored model can be read by nobody: no names, no addresses. Secrets
are masked before. CRC-32 is the same in every process and version; that two of a team's words
share one costs next to nothing.
"""

import math
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Mapping

from services.masking import mask

# A ticket has at most 3,150 characters; the predecessor's may be of any length.
MAX_TEXT = 20_000
_RUN = re.compile(r"[^\W_]+")
_SHORTEST, _LONGEST = 2, 30  # longer runs are keys and hashes, which never come again


def features(text: str) -> Mapping[int, float]:
    """Word hash to log(1 + count), by the first 20,000 characters."""
    plain = unicodedata.normalize("NFKC", mask(text[:MAX_TEXT])).casefold()
    words = (word for word in _RUN.findall(plain) if _SHORTEST <= len(word) <= _LONGEST)
    counts = Counter(zlib.crc32(word.encode()) for word in words)
    return {word: math.log1p(count) for word, count in counts.items()}
