"""Public holidays by country, from the `holidays` library (vacanza/holidays), and its countries.

The library is imported at first use: it takes 50 ms and several megabytes, which a team without a
country never needs.
"""

from datetime import date
from functools import lru_cache

from services.core.text import strip_invisible

_AS_IS = {word: word for word in ("and", "of", "the", "da")} | {"dr": "DR", "hongkong": "Hong Kong"}


@lru_cache(maxsize=512)
def public_holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    """Public holidays of a country (ISO 3166-1 alpha-2, such as "DE") and, unless "", of its
    subdivision (ISO 3166-2 without the country, such as "BY").

    An unknown subdivision is ignored, an unknown country has no holidays.
    """
    if not country:
        return frozenset()
    import holidays  # noqa: PLC0415  see above

    for part in (subdivision or None, None):
        try:
            return frozenset(holidays.country_holidays(country, subdiv=part, years=year))
        except NotImplementedError:
            continue
    return frozenset()


def has_holidays(country: str, subdivision: str = "") -> bool:
    """Whether the library knows the country and, unless "", its subdivision."""
    import holidays  # noqa: PLC0415  see above

    parts = holidays.list_supported_countries(include_aliases=False).get(country)
    return parts is not None and (not subdivision or subdivision in parts)


def known_countries() -> dict[str, tuple[str, ...]]:
    """Each country by its code: the library's key ("united_states") and all codes (US, USA)."""
    from holidays import registry  # noqa: PLC0415  see above

    return {names[1]: (key, *names[1:]) for key, names in registry.COUNTRIES.items()}


def country_name(code: str) -> str:
    """The country's name, or "" for an unknown code."""
    return _names().get(code, "")


def search_countries(query: str = "") -> list[tuple[str, str]]:
    """Code and name of each match: first the country with the query as its code, such as US, USA
    or UK, then those with the query in their name, sorted by name."""
    wanted = " ".join(strip_invisible(query).split()).casefold()
    called = _by_any_code().get(wanted)
    found = [
        (code, name)
        for code, name in _names().items()
        if wanted in name.casefold() or code == called
    ]
    return sorted(found, key=lambda country: (country[0] != called, country[1]))


@lru_cache(maxsize=1)
def _names() -> dict[str, str]:
    """Names by code, made from the library's keys, such as "united_states"."""
    return {
        code: " ".join(_AS_IS.get(word, word.capitalize()) for word in key.split("_"))
        for code, (key, *_) in known_countries().items()
    }


@lru_cache(maxsize=1)
def _by_any_code() -> dict[str, str]:
    return {
        other.casefold(): code for code, (_, *codes) in known_countries().items() for other in codes
    }
