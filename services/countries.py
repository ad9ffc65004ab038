"""Countries whose public holidays are known, by name, for a person to choose from."""

from functools import lru_cache

from services.public_holidays import known_countries
from services.text import visible


def country_name(code: str) -> str:
    """ "" for a code that is none."""
    return _names().get(code, "")


def countries(query: str = "") -> list[tuple[str, str]]:
    """Code and name of those whose name holds the query or whose code it is, by name."""
    wanted = " ".join(visible(query).split()).casefold()
    found = [
        (code, name)
        for code, name in _names().items()
        if wanted in name.casefold() or wanted == code.casefold()
    ]
    return sorted(found, key=lambda country: country[1])


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """From the library's own keys, such as "united_states"."""
    return {
        code: " ".join(_AS_IS.get(word, word.capitalize()) for word in key.split("_"))
        for code, key in known_countries().items()
    }


_AS_IS = {word: word for word in ("and", "of", "the", "da")} | {"dr": "DR", "hongkong": "Hong Kong"}
