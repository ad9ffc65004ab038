"""`app.py demo`: the whole product on this machine, interactive or (`--smoke`) as a test."""

import os
import shlex
import signal
import sys
import time

from demo.binaries import ROOT
from demo.local_stack import Stack
from demo.process import PortTakenError, ProcessError
from demo.smoke import run as run_smoke

DEFAULT_PORT = 3000
WATCH_SECONDS = 0.3


def main(*, smoke: bool = False) -> int:
    """Return the exit code: 0 if stopped by the user or passed, else 1."""
    for number in (signal.SIGTERM, signal.SIGINT):  # a shell's background job ignores SIGINT
        signal.signal(number, _interrupt)
    try:
        return run_smoke() if smoke else _serve()
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0 if not smoke else 1
    except PortTakenError as error:
        print(f"\n{error} For example: DEMO_PORT=3001 make demo", file=sys.stderr)
    except ProcessError as error:
        print(f"\nThe demo stopped: {error}", file=sys.stderr)
    return 1


def _interrupt(*_: object) -> None:
    """Ignore further signals: another Ctrl-C must not interrupt the shutdown."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _serve() -> int:
    print("Starting MongoDB, Redis, Slack, the bot, its worker and its jobs, and filing sample")
    print("tickets ...", flush=True)
    with Stack(port=_port(), settings=_gemini(), has_sample_tickets=True) as stack:
        print(_welcome(stack), flush=True)
        while True:
            time.sleep(WATCH_SECONDS)
            stack.check()


def _port() -> int:
    text = os.environ.get("DEMO_PORT", str(DEFAULT_PORT))
    if not text.isdecimal() or not 0 < int(text) < 65_536:
        raise ProcessError(f"DEMO_PORT must be a port from 1 to 65535, not {text!r}.")
    return int(text)


def _gemini() -> dict[str, str]:
    """Return Gemini's settings from the environment; those of .env are not used."""
    names = ("GEMINI_API_KEY", "GEMINI_MODEL", "GEMINI_API_URL")
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _welcome(stack: Stack) -> str:
    analyst = (
        "Gemini analyses the tickets, because GEMINI_API_KEY is set."
        if _gemini().get("GEMINI_API_KEY")
        else "The offline router analyses the tickets. Set GEMINI_API_KEY to let Gemini do it."
    )
    doctor = shlex.join(["env", "-i", sys.executable, str(ROOT / "app.py"), "doctor"])
    return f"""
Open   http://localhost:{stack.slack.port}

A message of the help desk in #general says what to try there. From outside of Slack:

- Sign up at {stack.pages_url}/link
  with any address and password. The page shows a code; /account in Slack takes it.
- Check the installation as its operator does, in another terminal:

       cd {stack.logs} && {doctor}

{analyst}
This Slack is local-slack, a stand-in: anyone who reaches this machine's port {stack.slack.port}
can read and control it. It holds demo data only, and forgets all of it when you stop.
Logs: {stack.logs}

Ctrl-C stops everything."""
