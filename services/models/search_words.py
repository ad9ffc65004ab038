"""The words that a ticket is found by, and how a text is split into them.

A ticket's `search` holds `public` and `internal`, words in the order of the texts they come from;
`parts`, how many of `public` are the title's, and the title's and description's; and `seq`, that of
the ticket when they were written.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from services.core.coerce import as_int
from services.core.database import Document
from services.core.text import UNSPACED_SCRIPT_RANGES

MAX_WORDS = 400  # in each of the two lists
MIN_LENGTH, MAX_LENGTH = 2, 30
# Letters and digits; runs of scripts without spaces, whose words are pairs of letters.
_RUNS = re.compile("(?P<spaced>a+)|(?P<unspaced>c+)")
_ASCII_WORD = re.compile(f"[a-z0-9]{{{MIN_LENGTH},}}")
_UNSPACED = re.compile(f"[{UNSPACED_SCRIPT_RANGES}]")
_VOICED_MARKS = "\u3099\u309a"  # they tell kana apart, and are no accents


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text, folded, and its place there. `is_pair`: two letters of a script without
    spaces, or the only one."""

    text: str
    start: int
    end: int
    is_pair: bool = False


@dataclass(frozen=True, slots=True)
class SearchWords:
    """A ticket's `search`, as stored."""

    public: tuple[str, ...] = ()
    internal: tuple[str, ...] = ()
    title_count: int = 0
    text_count: int = 0
    seq: int = 0

    @classmethod
    def from_doc(cls, doc: Any) -> "SearchWords | None":
        """Return None unless the document has words."""
        if not isinstance(doc, Mapping) or not isinstance(doc.get("public"), list):
            return None
        public, (title_count, text_count) = stored_words(doc)
        return cls(
            public=_texts(public),
            internal=_texts(doc.get("internal")),
            title_count=title_count,
            text_count=text_count,
            seq=as_int(doc.get("seq")) or 0,
        )

    def to_doc(self) -> Document:
        internal = {"internal": list(self.internal)} if self.internal else {}
        parts = [self.title_count, self.text_count]
        return {"public": list(self.public), **internal, "parts": parts, "seq": self.seq}


def stored_words(doc: Any) -> tuple[list[str], tuple[int, int]]:
    """Return the public words and the two parts of a stored `search`, none of a malformed one."""
    try:
        title_count, text_count = doc["parts"]
        return list(doc["public"]), (int(title_count), int(text_count))
    except (KeyError, TypeError, ValueError):
        return [], (0, 0)


def _texts(listed: Any) -> tuple[str, ...]:
    return tuple(word for word in listed or () if isinstance(word, str))


def normalized(text: str) -> str:
    """Return the text with composed accents, in which places of words are counted."""
    return unicodedata.normalize("NFC", text)


@lru_cache(4_096)
def fold(text: str) -> str:
    """Return letters and digits without accents and case."""
    if text.isascii():
        return text.lower()
    parts = unicodedata.normalize("NFKD", text.casefold())
    kept = (c for c in parts if unicodedata.category(c)[0] != "M" or c in _VOICED_MARKS)
    plain = unicodedata.normalize("NFC", "".join(kept)).casefold()
    return "".join(filter(str.isalnum, plain))


def iter_words(text: str) -> Iterator[Word]:
    """Yield the words of a `normalized` text, also those that are too short to be searched for."""
    for run in _RUNS.finditer("".join(map(_kind, text))):
        start, end = run.span()
        if run.lastgroup == "spaced":
            yield Word(fold(text[start:end])[:MAX_LENGTH], start, end)
            continue
        for first in range(start, max(end - 1, start + 1)):
            last = min(first + 2, end)
            yield Word(fold(text[first:last])[:MAX_LENGTH], first, last, is_pair=True)


@lru_cache(4_096)
def _kind(character: str) -> str:
    if _UNSPACED.match(character):
        return "c"
    is_letter = character.isalnum() or unicodedata.category(character)[0] == "M"
    return "a" if is_letter else " "


def _words(text: str) -> Iterable[str]:
    if text.isascii():  # as most are: the same words, ten times as fast
        return (word[:MAX_LENGTH] for word in _ASCII_WORD.findall(text.lower()))
    words = (word.text for word in iter_words(normalized(text)))
    return (word for word in words if len(word) >= MIN_LENGTH)


def unique_words(texts: Iterable[str], known: Iterable[str] = ()) -> tuple[str, ...]:
    """Return `known` and the words of the texts, each once, at most `MAX_WORDS`."""
    found = dict.fromkeys(known)
    for text in texts:
        found |= dict.fromkeys(_words(text))
        if len(found) >= MAX_WORDS:
            break
    return tuple(found)[:MAX_WORDS]
