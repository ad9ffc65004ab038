"""The demo's processes get the demo's settings only."""

import pytest

from demo.local_stack import environment
from services.core.settings import VARIABLES


def test_no_setting_of_the_developer_reaches_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.setenv(name, "the developer's")
    got = environment({"MONGO_URI": "mongodb://127.0.0.1/helpdesk"})
    assert {name: got[name] for name in VARIABLES} == {
        **dict.fromkeys(VARIABLES, ""),
        "MONGO_URI": "mongodb://127.0.0.1/helpdesk",
    }
