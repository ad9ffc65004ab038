"""The program's version, which pyproject.toml has."""

import tomllib
from functools import cache
from pathlib import Path

_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@cache
def program_version() -> str:
    project: str = tomllib.loads(_PROJECT.read_text())["project"]["version"]
    return project
