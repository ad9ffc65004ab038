"""Public holidays by country, from the `holidays` library (vacanza/holidays).

The library is imported at the first question about a country: it takes 50 ms and several
megabytes that a team without a country set never needs.
"""

from datetime import date
from functools import lru_cache


@lru_cache(maxsize=512)
def public_holidays(country: str, subdivision: str, year: int) -> frozenset[date]:
    """Days off for everybody in that country (ISO 3166-1 alpha-2, such as "DE") and, where one is
    named, that part of it (ISO 3166-2 without the country, such as "BY").

    A part that is unknown counts as none, a country that is unknown has no holidays.
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


def is_known(country: str, subdivision: str = "") -> bool:
    """Whether there are holidays of that country and part of it."""
    import holidays  # noqa: PLC0415  see above

    parts = holidays.list_supported_countries(include_aliases=False).get(country)
    return parts is not None and (not subdivision or subdivision in parts)


def known_countries() -> dict[str, tuple[str, ...]]:
    """By code, the library's key, such as "united_states", and all codes, such as US and USA."""
    from holidays import registry  # noqa: PLC0415  see above

    return {names[1]: (key, *names[1:]) for key, names in registry.COUNTRIES.items()}
