"""What is written to `.env` is read as the same value by all of its readers."""

import os
import re
import stat
import subprocess
from fnmatch import fnmatch
from io import StringIO
from pathlib import Path

import pytest
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st

from demo.binaries import ROOT
from services.core import env_file

VALUES = [
    "xoxb-1-a",
    "mongodb+srv://app:p%40ss@cluster.example.com/helpdesk?retryWrites=true&w=majority",
    "redis://:pa$$word@127.0.0.1:6379/0",
    "a b #c",
    "#",
    "`id`",
    'say "hi"',
    "it's",
    "back\\slash",
    "$HOME",
    "a,b@c.example",
    "ä;ö&",
    "",
]
UNUSABLE = ["${HOME}", 'it\'s "x"', "it's $5", "two\nlines", "ends in \\", "\\\\", "\\'"]


def by_shell(text: str, directory: Path) -> str:
    (directory / "a.env").write_text(text)
    done = subprocess.run(
        ["/bin/sh", "-c", '. ./a.env; printf %s "$NAME"'],
        cwd=directory,
        capture_output=True,
        check=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": "/nowhere"},
    )
    return done.stdout


def by_systemd_or_compose(text: str) -> str:
    """As both define it: single quotes hold all literally, and double quotes what has nothing to
    expand; a plain word has no quote, $, # or space."""
    (_, value) = text.rstrip("\n").split("=", 1)
    if found := re.fullmatch(r"'([^']*)'|\"([^\"\\$`]*)\"", value):
        return found[1] if found[1] is not None else found[2]
    assert not re.search(r"[\s'\"$#\\`]", value)
    return value


@pytest.mark.parametrize("value", VALUES)
def test_every_reader_reads_the_same(value: str, tmp_path: Path) -> None:
    text = f"NAME={env_file.format_value(value)}\n"
    assert dotenv_values(stream=StringIO(text)) == {"NAME": value}
    assert by_systemd_or_compose(text) == value
    assert by_shell(text, tmp_path) == value


@given(st.text())
def test_any_other_text_is_refused(value: str) -> None:
    try:
        text = f"NAME={env_file.format_value(value)}\n"
    except ValueError:
        return
    assert dotenv_values(stream=StringIO(text)) == {"NAME": value}
    assert by_systemd_or_compose(text) == value


@pytest.mark.parametrize("value", UNUSABLE)
def test_what_the_readers_disagree_on_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        env_file.format_value(value)


def test_only_lines_with_another_value_change() -> None:
    old = (
        "# Mine\n"
        "export A=1  # one\n"
        'B="2"\n'
        "C=3\n"
        "A=4\n"
        "\n"
        "OTHER=${HOME}\n"
        "E=\n"
        "D=5"
    )  # fmt: skip
    new = env_file.updated_text(old, {"A": "6", "B": "2", "C": "", "E": "", "F": "a b"})
    assert new == "# Mine\nA=6\nB=\"2\"\n\nOTHER=${HOME}\nE=\nD=5\nF='a b'\n"
    assert env_file.updated_text(new, {"A": "6", "F": "a b"}) == new


def test_a_new_file_says_where_it_is_from() -> None:
    assert env_file.updated_text("", {"A": "1", "B": ""}) == f"{env_file.HEADER}A=1\n"


def test_the_file_is_private_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".env"
    modes = []

    def fsync(handle: int) -> None:
        modes.append(stat.S_IMODE(os.fstat(handle).st_mode))

    monkeypatch.setattr(os, "fsync", fsync)
    before = os.umask(0)
    env_file.write_private(path, "A=1\n")
    os.umask(before)
    assert path.read_text() == "A=1\n"
    assert [*modes, stat.S_IMODE(path.stat().st_mode)] == [0o600, 0o600]


@pytest.mark.parametrize("name", [".env", ".env.new", ".env.k3_x9", ".env.new.k3_x9"])
def test_git_ignores_it_and_what_a_killed_write_leaves(name: str) -> None:
    patterns = (ROOT / ".gitignore").read_text().split()
    assert any(fnmatch(name, pattern) for pattern in patterns)
    assert "!.env.example" in patterns


def test_a_write_that_is_interrupted_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        env_file.write_private(tmp_path / ".env", "A=1\n")
    assert [*tmp_path.iterdir()] == []
