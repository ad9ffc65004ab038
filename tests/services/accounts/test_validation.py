"""Validation of account fields."""

from typing import Any

import pytest

from services.accounts.validation import (
    checked_name,
    checked_role,
    checked_skills,
    checked_string,
)
from services.core.errors import InvalidValue
from services.models.user import Role


@pytest.mark.parametrize("value", ["", " ", "jo@example.com", '{"$gt": ""}'])
def test_a_text_is_one(value: str) -> None:
    assert checked_string("email", value) == value


@pytest.mark.parametrize("value", [{"$gt": ""}, {}, [], ["x"], 0, 1.5, True, None, b"x"])
def test_anything_else_is_none(value: Any) -> None:
    with pytest.raises(InvalidValue) as refused:
        checked_string("email", value)
    assert (refused.value.field, str(refused.value)) == ("email", "Write the email as text.")


@pytest.mark.parametrize(
    ("written", "name"),
    [
        (None, None),
        ("", None),
        (" \u200b\n", None),
        (" Jo\n Doe\x00 ", "Jo Doe"),
        ("Zoë O’Neill-Øst 李", "Zoë O’Neill-Øst 李"),
        ("\u202ejo", "jo"),
        ("half \ud83d", "half"),
        ("<script>", "<script>"),
        ("x" * 80, "x" * 80),
    ],
)
def test_a_name_is_on_one_line_and_all_of_it_is_seen(written: str | None, name: str | None) -> None:
    assert checked_name(written) == name


def test_a_name_has_an_end() -> None:
    with pytest.raises(InvalidValue) as refused:
        checked_name("x" * 81)
    assert str(refused.value) == "A name has at most 80 characters."


def test_skills_are_a_list_of_texts() -> None:
    assert checked_skills([" VPN ", "vpn", "", "C++"]) == ["VPN", "C++"]
    assert checked_skills(("VPN",)) == ["VPN"]
    for value in ("VPN", {"VPN": 1}, None, 7, [7], [["VPN"]], [{"$gt": ""}]):
        with pytest.raises(InvalidValue) as refused:
            checked_skills(value)  # type: ignore[arg-type]
        assert str(refused.value) == "Write the skills as a list of texts."


@pytest.mark.parametrize("role", Role)
def test_a_role_is_one_of_three(role: Role) -> None:
    assert checked_role(role.value) is role


@pytest.mark.parametrize("role", ["Admin", "", "root", {"$ne": "user"}, None, ["admin"]])
def test_there_is_no_other_role(role: Any) -> None:
    with pytest.raises(InvalidValue) as refused:
        checked_role(role)
    assert str(refused.value) == "Choose one of user, moderator, admin."
