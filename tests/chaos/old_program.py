"""The program before the rolling restart: `OLD=`, a git reference, or the newest tag."""

import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from demo.binaries import ROOT
from demo.process import ProcessError


@dataclass(frozen=True, slots=True)
class OldProgram:
    root: Path
    description: str

    @property
    def is_same(self) -> bool:
        return self.root == ROOT


def check_out(reference: str, directory: Path) -> OldProgram:
    """Unpack the reference into `directory`. Raises `ProcessError` if there is no such reference.

    It runs with the libraries of this program.
    """
    wanted = reference or _newest_tag()
    if not wanted:
        return OldProgram(ROOT, "the same program, because there is no tag")
    archive = directory / "old.tar"
    packed = _git("archive", f"--output={archive}", wanted)
    if packed.returncode:
        raise ProcessError(f"OLD={wanted} cannot be checked out: {packed.stderr.strip()}")
    with tarfile.open(archive) as tar:
        tar.extractall(directory / "old", filter="data")
    archive.unlink()
    return OldProgram(directory / "old", wanted)


def _newest_tag() -> str:
    """Return "" without a tag, or outside a repository."""
    found = _git("describe", "--tags", "--abbrev=0") if shutil.which("git") else None
    return found.stdout.strip() if found and not found.returncode else ""


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
