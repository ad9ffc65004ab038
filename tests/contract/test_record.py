"""The recording plugin makes a recording of each kind."""

import os
import subprocess
import sys
from pathlib import Path

from demo.binaries import ROOT

DIGEST = "tests/services/digest/test_digest_service.py"
TESTS = (
    "tests/bot/handlers/test_filing_submission.py::test_a_ticket_is_filed",
    "tests/bot/web/api/test_accounts.py::test_who_signs_up_is_signed_in",
    f"{DIGEST}::test_the_job_publishes_only_while_an_account_is_due",
    f"{DIGEST}::test_who_gets_it",
)


def test_it_records_each_kind(tmp_path: Path) -> None:
    plugin = ["-p", "tests.contract.record", "-p", "no:xdist", "-p", "no:cacheprovider"]
    done = subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-m", "pytest", "-q", *plugin, *TESTS],
        cwd=ROOT,
        env={**os.environ, "RECORD_TO": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    kinds = {path.name.partition("-")[0] for path in tmp_path.iterdir()}
    assert kinds == {"api", "job", "slack", "task"}
