"""Countries whose public holidays are known, by name, for a person to choose from."""

from functools import lru_cache

from services.public_holidays import known_countries
from services.text import visible


def country_name(code: str) -> str:
    """ "" for a code that is none."""
    return _names().get(code, "")


def countries(query: str = "") -> list[tuple[str, str]]:
    """Code and name: the one whose code the query is, such as US, USA or UK, then those whose name
    holds it, by name."""
    wanted = " ".join(visible(query).split()).casefold()
    called = _by_any_code().get(wanted)
    found = [
        (code, name)
        for code, name in _names().items()
        if wanted in name.casefold() or code == called
    ]
    return sorted(found, key=lambda country: (country[0] != called, country[1]))


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """From the library's own keys, such as "united_states"."""
    return {
        code: " ".join(_AS_IS.get(word, word.capitalize()) for word in key.split("_"))
        for code, (key, *_) in known_countries().items()
    }


@lru_cache(maxsize=1)
def _by_any_code() -> dict[str, str]:
    return {
        other.casefold(): code for code, (_, *codes) in known_countries().items() for other in codes
    }


_AS_IS = {word: word for word in ("and", "of", "the", "da")} | {"dr": "DR", "hongkong": "Hong Kong"}
