"""How others spell the words we know. Pure.

The predecessor stores a status and a priority as whatever it is given, and each team's edition of
it has words of its own.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

_BETWEEN = re.compile(r"[\s_-]+")
# Seen in editions of the predecessor.
STATUSES: Mapping[str, str] = MappingProxyType(
    {
        "open": "TODO",
        "new": "TODO",
        "assigned": "IN_PROGRESS",
        "done": "COMPLETED",
        "closed": "COMPLETED",
        "resolved": "COMPLETED",
    }
)


def recognised(
    value: object, words: Iterable[str], also: Mapping[str, str] = MappingProxyType({})
) -> str | None:
    """Which of `words` is meant, whatever its capitals and what stands between its parts.

    `also` has other names of them, in lower case. None for what is none of them.
    """
    if not isinstance(value, str):
        return None
    known = tuple(words)
    if value in known:
        return value
    wanted = _plain(value)
    spelled = {_plain(word): word for word in known}
    return spelled.get(wanted) or also.get(wanted)


def _plain(text: str) -> str:
    return _BETWEEN.sub("_", text.strip()).casefold()
