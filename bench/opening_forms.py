"""Time from the signed request of `/ticket` until the form is open at Slack, over https.

Slack and the people who use it run in this process, for the bot and for the baseline.
"""

import http.client
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.bare_servers import HOST, SIGNING_SECRET
from bench.measure import Limit, Round, Row, Work, compare
from bench.stand import Slack, Stand
from tests.support import payloads

PEOPLE = 20
BURST, BURST_SECONDS = 100, 0.05
# Of the baseline's time: 0.7 of its throughput.
MAX_RATIO = 1 / 0.7
BASELINE = "bare Bolt, one call"
TIMEOUT_SECONDS = 60


def form(stand: Stand) -> Iterator[Row]:
    bot, bare, slack = stand.bot, stand.bare, stand.slack
    ports = bot.port, stand.form_port
    for port in ports:  # the first use by a member creates the account
        for person in range(PEOPLE):
            _open_form(port, slack, person)
    own, other = (_open_forms(port, slack, stand.sizes.form_seconds) for port in ports)
    yield compare(
        f"open the form, {PEOPLE} people at once",
        own,
        to=other,
        called=BASELINE,
        at_most=MAX_RATIO,
        rounds=stand.sizes.rounds,
        meter=bot.meter,
        other_meter=bare.meter,
    )
    own, other = (_burst(port, slack) for port in ports)
    yield compare(
        f"{BURST} presses within {BURST_SECONDS * 1_000:.0f} ms, until all forms are open",
        own,
        to=other,
        called=BASELINE,
        rounds=stand.sizes.rounds,
        meter=bot.meter,
        other_meter=bare.meter,
        limits=lambda ours, _: {"ms": Limit(ours.ms, 1_000)},
    )


def _open_forms(port: int, slack: Slack, seconds: float) -> Work:
    """Each person opens one form after the other."""

    def run() -> Round:
        until = time.monotonic() + seconds

        def press(person: int) -> int:
            number = 0
            while not number or time.monotonic() < until:
                _open_form(port, slack, person)
                number += 1
            return number

        with ThreadPoolExecutor(PEOPLE) as people:
            return Round(sum(people.map(press, range(PEOPLE))))

    return run


def _burst(port: int, slack: Slack) -> Work:
    """The slowest form counts, from its own press."""

    def press(number: int) -> float:
        time.sleep(number * BURST_SECONDS / BURST)
        return _open_form(port, slack, number % PEOPLE)

    def run() -> Round:
        with ThreadPoolExecutor(BURST) as people:
            return Round(seconds=max(people.map(press, range(BURST))))

    return run


def _open_form(port: int, slack: Slack, person: int) -> float:
    """Return the seconds until it is open at Slack."""
    command = payloads.slash_command(user=f"U0BENCH{person}")
    body, headers = payloads.signed(command, SIGNING_SECRET)
    opened = slack.expect(command["trigger_id"])
    began = time.monotonic()
    # As Slack does, on a new connection.
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    connection.request("POST", "/slack/events", body, headers | {"Connection": "close"})
    if (status := connection.getresponse().status) != http.client.OK:
        raise RuntimeError(f"the bot answered a command with {status}")
    connection.close()
    if not opened.wait(TIMEOUT_SECONDS):
        raise RuntimeError("no form was opened")
    return time.monotonic() - began
