"""Run chaos and print the table: `make chaos`. Exit 1 if something was lost."""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from demo.process import ProcessError
from services.models.user import Role, User
from tests.chaos.faults import schedule
from tests.chaos.load import Load
from tests.chaos.report import Report
from tests.chaos.stack import ChaosStack
from tests.conftest import People, build_services

SKILLS = ["VPN", "Printer", "SAP", "Laptop"]
STAFF_PER_SKILL = 2
TICKETS_PER_REQUESTER = 12  # below the limit for an hour
SETTLE_SECONDS = 420.0


def run(*, seed: int, tickets: int, seconds: float, directory: Path) -> Report:
    """Run the load and the faults, wait until everything is delivered, and return what is found."""
    with ChaosStack(directory, skills=SKILLS) as stack:
        services = build_services(stack.db, REDIS_URL=stack.redis.url)
        people = People(stack.db, stack.slack, services.users)
        staff = [
            people.add(Role.MODERATOR, skill, capacity=100_000)
            for skill in SKILLS
            for _ in range(STAFF_PER_SKILL)
        ]
        requesters: list[User] = [
            people.add() for _ in range(max(5, 1 + tickets // TICKETS_PER_REQUESTER))
        ]
        tokens = {user.id: services.sign_in.issue_token(user) for user in requesters}
        load = Load(
            bots=stack.bots,
            slack=stack.slack,
            requesters=requesters,
            staff=staff,
            skills=SKILLS,
            token=lambda user: tokens[user.id],
            seed=seed,
        )
        began = time.monotonic()
        tracks = [
            threading.Thread(target=stack.strike, args=(faults,), kwargs={"since": began})
            for faults in schedule(seed, seconds)
        ]
        for track in tracks:
            track.start()
        load.run(tickets=tickets, seconds=seconds)
        for track in tracks:
            track.join()
        stack.restart_ended()
        report = Report(stack, load.ledger, staff=staff)
        report.wait_until_delivered(seconds=SETTLE_SECONDS)
        report.judge(seconds=time.monotonic() - began)
        return report


def main() -> int:
    env = os.environ
    seed = int(env.get("SEED") or 1)
    seconds = float(env.get("SECONDS") or 600)
    tickets = int(env.get("TICKETS") or seconds)
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {seed}, {tickets} tickets in {seconds:.0f} s, logs in {directory}", flush=True)
    try:
        report = run(seed=seed, tickets=tickets, seconds=seconds, directory=directory)
    except ProcessError as error:
        print(error)
        return 2
    print(report.table())
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
