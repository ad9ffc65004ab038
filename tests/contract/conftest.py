"""The recordings hold all that is stored before and after."""

import pytest


@pytest.fixture
def strangers() -> None:
    """None."""
