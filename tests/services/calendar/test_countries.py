import pytest

from services.calendar.business_hours import check_country
from services.calendar.holidays import country_name, search_countries


def test_each_has_a_name_and_a_code_that_is_taken() -> None:
    everybody = search_countries()
    assert len(everybody) > 200
    for code, name in everybody:
        check_country(code)
        assert name.strip() == name != ""
    assert [name for _, name in everybody] == sorted(name for _, name in everybody)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("german", [("DE", "Germany")]),
        ("us", [("US", "United States"), ("AU", "Australia"), ("AT", "Austria")]),
        ("uk", [("GB", "United Kingdom"), ("UA", "Ukraine")]),
        ("usa", [("US", "United States")]),
        ("  united   kingdom ", [("GB", "United Kingdom")]),
        ("bosnia", [("BA", "Bosnia and Herzegovina")]),
        ("atlantis", []),
    ],
)
def test_they_are_found_by_name_or_code(query: str, found: list[tuple[str, str]]) -> None:
    assert search_countries(query)[: len(found)] == found
    assert bool(found) == bool(search_countries(query))


def test_a_code_names_its_country() -> None:
    assert (country_name("DE"), country_name("XX"), country_name("")) == ("Germany", "", "")
