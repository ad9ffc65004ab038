"""`app.py demo`: the whole product on this machine, interactive or (`--smoke`) as a test."""

import os
import signal
import sys
import time

from demo import seed
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
    print("Starting MongoDB, Redis, Slack, the bot, its worker and its jobs ...", flush=True)
    with Stack(port=_port(), settings=_gemini()) as stack:
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
    nils, lara, pia, ada = (member.real_name for member in stack.staff)
    analyst = (
        "Gemini reads the tickets: GEMINI_API_KEY is set."
        if _gemini().get("GEMINI_API_KEY")
        else "The offline router reads the tickets; set GEMINI_API_KEY to let Gemini do it."
    )
    return f"""
Open   http://localhost:{stack.slack.port}

1. You are {seed.EMPLOYEE.real_name}: see "Act as" at the top right. In #general, type

       /ticket VPN drops every hour

   describe it in a sentence or two, and press File.
2. Two direct messages appear at the left: Emma's, which says who has the ticket, and the one of
   {nils}, with the reason why it is his.
3. Choose {nils} under "Act as", open his direct message, press Accept, then
   Resolve, and say what was done. Emma's message then says so. Or press Decline instead.
4. Press Help desk under Apps, at the left: there each of them sees their own tickets.
5. Try other tickets. About a printer: {lara}. About payroll: {pia}.
   About nothing in particular: the least loaded of the three. About the VPN, but filed by Nils
   himself: {ada}, because no one else knows it.
   /ticket help explains the command.
6. Sign up at

       {stack.pages_url}/link

   with any address and password. It shows a code; in the Slack, /account takes it.

{analyst}
This Slack is local-slack, a stand-in: anyone who reaches this machine's port {stack.slack.port}
can read and control it. It holds demo data only, and forgets all of it when you stop.
Logs: {stack.logs}

Ctrl-C stops everything."""
