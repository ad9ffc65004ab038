"""The granted scopes: read from Slack's header, stored for all processes."""

import pytest

from services.core.database import Mongo
from services.core.slack_scopes import (
    GrantedScopes,
    granted_scopes,
    load_granted_scopes,
    record_granted_scopes,
)

WANTED = ("chat:write", "dnd:read", "users:read")


@pytest.mark.parametrize("header", ["x-oauth-scopes", "X-OAuth-Scopes"])
def test_they_are_read_from_the_header(header: str) -> None:
    granted = GrantedScopes.from_headers({"Content-Type": "x", header: "chat:write, users:read,"})
    assert granted == GrantedScopes(frozenset({"chat:write", "users:read"}))
    assert granted.missing(WANTED) == ["dnd:read"]


def test_without_the_header_all_count_as_granted() -> None:
    assert GrantedScopes.from_headers({}).missing(WANTED) == []


def test_before_the_first_start_of_a_bot_all_count_as_granted(db: Mongo) -> None:
    assert load_granted_scopes(db).missing(WANTED) == []


@pytest.mark.parametrize("names", [frozenset(), frozenset({"users:read"}), None], ids=str)
def test_what_is_stored_is_read_again(db: Mongo, names: frozenset[str] | None) -> None:
    assert granted_scopes(db).names is None
    record_granted_scopes(db, GrantedScopes(names))
    assert granted_scopes(db).names == load_granted_scopes(db).names == names
