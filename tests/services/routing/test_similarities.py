import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.routing.similar_tickets import similarities

TEXTS = st.text(alphabet="abcé 1\n.", max_size=40)


def test_what_shares_rare_words_is_liker() -> None:
    same, near, far, empty = similarities(
        "The printer on floor three is out of paper",
        [
            "The printer on floor three is out of paper",
            "A printer is out of toner",
            "The salary is not on the account",
            "",
        ],
    )
    assert same == pytest.approx(1)
    assert same > near > far > empty == 0


def test_nothing_is_like_nothing() -> None:
    assert similarities("", ["", "printer"]) == [0, 0]
    assert similarities("printer", []) == []


@given(TEXTS, st.lists(TEXTS, max_size=5))
def test_it_is_a_share_and_the_order_changes_nothing(text: str, others: list[str]) -> None:
    shares = similarities(text, others)
    assert all(0 <= share <= 1 + 1e-9 for share in shares)
    assert similarities(text, others[::-1]) == shares[::-1]
