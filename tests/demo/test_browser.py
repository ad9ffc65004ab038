"""Errors if Chromium is missing or ends. The screenshots show that it works."""

from pathlib import Path

import pytest

from demo.browser import Browser
from demo.process import ProcessError


def test_no_chromium_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProcessError) as error:
        Browser(directory=tmp_path)
    assert str(error.value) == "Chromium is missing. Run: make screenshots"


def test_chromium_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "chromium"
    program.write_text("#!/bin/sh\necho no room for me\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProcessError) as error, Browser(directory=tmp_path / "browser"):
        pass
    assert str(error.value) == (
        "Chromium ended by itself (exit 3). Its last output:\nno room for me"
    )
