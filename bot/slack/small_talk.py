"""Greetings and thanks: messages to the bot that are no request."""

import re
from enum import StrEnum

MAX_LENGTH = 60
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
# Thai, Lao, and Japanese and Chinese characters.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]")
_EMOJI = re.compile(r":[a-z0-9_+'-]+:")
_THANKS = re.compile(r"thanks?|thx|ty|cheers|danke|merci|gracias|grazie|obrigado")
_GREETING = re.compile(
    r"hi|hello|hey|hiya|howdy|morning|afternoon|evening|hallo|moin|servus|bonjour|salut|hola|ciao"
)
# Words that say nothing more beside a greeting or thanks.
_FILLER = re.compile(
    r"good|there|all|team|everyone|bot|help|desk|ok|okay|great|perfect|super|many|a|lot|so|much|"
    r"very|you|again|for|your|the"
)


class SmallTalk(StrEnum):
    GREETING = "greeting"
    THANKS = "thanks"


def count_words(text: str) -> int:
    """Return how many words a readable text has, without emoji. Of scripts that put no spaces
    between words, each character counts."""
    return sum(
        len(word) if _UNSPACED.match(word) else 1 for word in _WORD.findall(_EMOJI.sub(" ", text))
    )


def find_small_talk(text: str) -> SmallTalk | None:
    """Return what a readable text is if it says nothing else; None if it may be a request.

    A short text without words, such as an emoji, is a greeting.
    """
    if len(text) > MAX_LENGTH:
        return None
    words = [word.lower() for word in _WORD.findall(_EMOJI.sub(" ", text))]
    has_thanks, has_greeting = (
        any(map(words_of.fullmatch, words)) for words_of in (_THANKS, _GREETING)
    )
    known = (_THANKS, _GREETING, _FILLER)
    if not all(any(words_of.fullmatch(word) for words_of in known) for word in words):
        return None
    if has_thanks:
        return SmallTalk.THANKS
    return SmallTalk.GREETING if has_greeting or not words else None
