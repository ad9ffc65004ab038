"""A forked process ends as one that was started."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import atexit, threading, time
def write(text):
    with open("done", "a") as file:
        file.write(text)
atexit.register(write, " registered")
threading.Thread(target=lambda: (time.sleep(0.2), write("thread"))).start()
raise SystemExit(3)
"""
SERVE = """
import os
from tests.support import forked_app
forked_app.APP, forked_app.PRELOADED = os.environ["SCRIPT"], ()
forked_app._serve()
"""


def test_it_waits_for_its_threads_and_calls_what_is_registered(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    request = {"args": [], "env": {}, "cwd": str(tmp_path), "outputs": [str(tmp_path / "log")] * 2}
    with subprocess.Popen(  # noqa: S603  the code above
        [sys.executable, "-c", SERVE],
        env={**os.environ, "SCRIPT": str(tmp_path / "script.py")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        status, asked = None, request
        while status is None:
            server.stdin.write(json.dumps(asked) + "\n")
            server.stdin.flush()
            answer = json.loads(server.stdout.readline())
            status, asked = (None, {"pid": answer}) if asked is request else (answer, asked)
        server.stdin.close()
    assert status == 3
    assert (tmp_path / "done").read_text() == "thread registered"
