"""Run chaos and print the tables: `make chaos`. Exit 1 if something was lost."""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from demo.binaries import ROOT
from demo.process import ProcessError
from services.models.user import Role, User
from tests.chaos.faults import schedule
from tests.chaos.load import Load
from tests.chaos.old_program import OldProgram, check_out
from tests.chaos.report import Report
from tests.chaos.stack import ChaosStack
from tests.conftest import People, build_services

SKILLS = ["VPN", "Printer", "SAP", "Laptop"]
STAFF_PER_SKILL = 2
TICKETS_PER_REQUESTER = 12  # below the limit for an hour
SETTLE_SECONDS = 420.0
RESTART_SHARE = 0.15  # of the time with faults, and as much of the tickets


def run(*, seed: int, tickets: int, seconds: float, directory: Path, plant: str = "") -> Report:
    """Run the load and the faults, wait until everything is delivered, and return what is found."""
    with ChaosStack(directory, skills=SKILLS, plant=plant) as stack:
        load, staff = _load(stack, seed=seed, tickets=tickets)
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
        report.judge_faults(seconds=time.monotonic() - began)
        return report


def run_restart(
    old: OldProgram, *, seed: int, tickets: int, seconds: float, directory: Path
) -> Report:
    """Replace the old program by this one while users work, and return what is found."""
    directory.mkdir()
    with ChaosStack(directory, skills=SKILLS, root=old.root) as stack:
        load, staff = _load(stack, seed=seed, tickets=tickets)
        users = threading.Thread(target=load.run, kwargs={"tickets": tickets, "seconds": seconds})
        users.start()
        time.sleep(seconds * 0.1)
        began = time.monotonic()
        try:
            stack.restart_one_by_one(ROOT)
            took = time.monotonic() - began
        finally:
            users.join()
        report = Report(stack, load.ledger, staff=staff)
        report.wait_until_delivered(seconds=SETTLE_SECONDS)
        report.judge_restart(old, seconds=took)
        return report


def _load(stack: ChaosStack, *, seed: int, tickets: int) -> tuple[Load, list[User]]:
    """Return the users' work, and the moderators among them."""
    services = build_services(stack.db, REDIS_URL=stack.redis.url)
    people = People(stack.db, stack.slack)
    staff = [
        people.add(Role.MODERATOR, skill, capacity=100_000)
        for skill in SKILLS
        for _ in range(STAFF_PER_SKILL)
    ]
    requesters = [people.add() for _ in range(max(5, 1 + tickets // TICKETS_PER_REQUESTER))]
    tokens = {user.id: services.sign_in.issue_token(user) for user in (*staff, *requesters)}
    load = Load(
        bots=stack.bots,
        slack=stack.slack,
        requesters=requesters,
        staff=staff,
        skills=SKILLS,
        token=lambda user: tokens[user.id],
        seed=seed,
    )
    return load, staff


def main() -> int:
    env = os.environ
    seed = int(env.get("SEED") or 1)
    seconds = float(env.get("SECONDS") or 600)
    tickets = int(env.get("TICKETS") or seconds)
    plant = env.get("PLANT") or ""
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {seed}, {tickets} tickets in {seconds:.0f} s, logs in {directory}", flush=True)
    try:
        old = check_out(env.get("OLD") or "", directory)
        report = run(seed=seed, tickets=tickets, seconds=seconds, directory=directory, plant=plant)
        print(report.table(), flush=True)
        if plant:
            return 1 if report.failures else 0
        restart = run_restart(
            old,
            seed=seed,
            tickets=round(tickets * RESTART_SHARE),
            seconds=seconds * RESTART_SHARE,
            directory=directory / "restart",
        )
    except ProcessError as error:
        print(error)
        return 2
    print(f"\n{restart.table()}")
    return 1 if report.failures or restart.failures else 0


if __name__ == "__main__":
    sys.exit(main())
