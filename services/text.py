"""What can be seen of a text."""

import re

# Zero-width, bidirectional and other control characters could disguise what a text says.
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")


def visible(text: str) -> str:
    """The text less what cannot be seen; line breaks and tabs stay."""
    return _UNSEEN.sub("", text.replace("\r\n", "\n"))
