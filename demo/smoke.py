"""`app.py demo --smoke`: run the main scenario on real servers and print each step.

SMOKE_SEED=number repeats the texts and skills of an earlier run.
"""

import os
import random
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bot.views import ids
from demo import seed
from demo.local_stack import Stack
from demo.seed import Member
from demo.slack_page import NotSeenError, SlackPage
from demo.slack_user import ScreenMessage, SlackUser

# Skills that no text below contains by accident, with pairs that are easily confused.
SKILLS = ("VPN", "DNS", "C++", "C#", ".NET", "Node.js", "Java", "JavaScript", "SAP", "Kerberos",
          "Citrix", "Figma", "Jira", "PostgreSQL", "Active Directory", "Wi-Fi")  # fmt: skip
WHEN = ("since this morning", "since the update last night", "for the third time this week",
        "whenever I come back from lunch")  # fmt: skip
TITLES = ("{skill} does not work for me", "Help with {skill}, please", "Trouble: {skill} again",
          "Who knows {skill}?")  # fmt: skip
DETAILS = (
    "It stops with error {number} {when}. My neighbour has it too.",
    "I see <!channel> and error {number} on the screen {when}.",
    "It asks me to open <https://example.com/{number}|this page> {when}; I did not.",
    "Error {number} & a grey screen {when}. Restarting did not help.",
)
UNSKILLED = (
    "The light above my desk flickers",
    "My chair squeaks",
    "The door to room {number} is stuck",
    "It is too cold on floor {number}",
)
RESOLUTIONS = ("Cleared the old session; it works again.", "Replaced it & tested it with her.",
               "A setting was wrong (5 < 6). Fixed for everyone.")  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlannedTicket:
    """A ticket to file, its expected assignee, and the expected reason."""

    title: str
    description: str
    moderator: Member
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    staff: list[Member]
    tickets: list[PlannedTicket]
    resolution: str


def draw_plan(number: int) -> Plan:
    """Return the plan of a seed, always the same."""
    dice = random.Random(number)  # noqa: S311  no secret is made of it
    skills = dice.sample(SKILLS, 6)
    staff = seed.staff([(skills[0], skills[1]), (skills[2], skills[3]), (skills[4], skills[5])])
    first, second, idle = dice.sample(staff[:3], 3)
    filings = [_skilled(dice, first), _skilled(dice, second), _unskilled(dice, idle)]
    return Plan(staff=staff, tickets=filings, resolution=dice.choice(RESOLUTIONS))


def _skilled(dice: random.Random, moderator: Member) -> PlannedTicket:
    skill = dice.choice(moderator.skills)
    return PlannedTicket(
        title=dice.choice(TITLES).format(skill=skill),
        description=_detail(dice),
        moderator=moderator,
        why=skill,
    )


def _unskilled(dice: random.Random, idle: Member) -> PlannedTicket:
    """Filed last, when the two other moderators have a ticket each: `idle` is least loaded."""
    return PlannedTicket(
        title=dice.choice(UNSKILLED).format(number=dice.randint(2, 40)),
        description=_detail(dice),
        moderator=idle,
        why="",
    )


def _detail(dice: random.Random) -> str:
    return dice.choice(DETAILS).format(number=dice.randint(100, 999), when=dice.choice(WHEN))


class SmokeFailed(AssertionError):
    def __init__(self, what: str, *, expected: object, seen: object) -> None:
        super().__init__(f"{what}\n  expected: {expected}\n  seen:     {seen}")


def run() -> int:
    """Return 0 if everything was as expected; else print what was not and return 1."""
    number = int(os.environ.get("SMOKE_SEED") or secrets.randbelow(1_000_000))
    plan = draw_plan(number)
    print(f"Texts and skills of this run: SMOKE_SEED={number}", flush=True)
    with Stack(staff=plan.staff) as stack, SlackPage(stack.slack.url) as workspace:
        smoke_test = SmokeTest(stack, workspace, plan)
        try:
            smoke_test.run()
        except (SmokeFailed, NotSeenError) as error:
            print(f"\nFAILED: {error}\n\n{_logs(stack)}", file=sys.stderr)
            return 1
    print(
        f"\nPASSED: {len(plan.tickets)} tickets, each with the right person, and all notified once."
    )
    return 0


class SmokeTest:
    def __init__(self, stack: Stack, workspace: SlackPage, plan: Plan) -> None:
        self._began = time.monotonic()
        self._db = stack.database()
        self._plan = plan
        self._staff = {m.slack_id: SlackUser(workspace, m.slack_id) for m in plan.staff}
        self._emma = SlackUser(workspace, seed.EMPLOYEE.slack_id)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def run(self) -> None:
        names = ", ".join(member.real_name for member in self._plan.staff)
        self._print_step(f"The moderators and the admin: {names}.")
        for number, filing in enumerate(self._plan.tickets, start=1):
            self._file(number, filing)
            self._check_assigned(number, filing)
        self._check_resolved(1, self._plan.tickets[0])
        self._wait_until_delivered()
        self._check_messages()

    def _file(self, number: int, filing: PlannedTicket) -> None:
        self._print_step(f"Emma types /ticket, fills in “{filing.title}” and presses File.")
        self._show(filing.description)
        self._emma.command("/ticket")
        self._emma.fill(title=filing.title, description=filing.description)
        done = self._emma.submit()
        _expect("Errors beside the fields", {}, done.errors)
        answer = done.modal.text if done.modal else "(the form closed)"
        _expect_in(
            f"The form says that Ticket {number} is filed", f"Ticket {number} is filed", answer
        )
        self._print_step("The form becomes:")
        self._show(answer)
        self._emma.dismiss()

    def _check_assigned(self, number: int, filing: PlannedTicket) -> None:
        moderator = self._staff[filing.moderator.slack_id]
        card = _only(moderator.wait_for_dm(f"#{number} {filing.title}"))
        _expect_in("The description, as typed, on the card", filing.description, card.text)
        _expect_in("Why it is assigned to them", filing.why, _line(card, "Why you:"))
        self._print_step(f"{moderator.name} gets a direct message:")
        self._show(card.text, buttons=card.labels)
        mine = f"*Assigned* to @{moderator.name}"
        own = _only(self._emma.wait_for_dm(f"#{number} {filing.title}", mine))
        self._print_step("Emma's own message says:")
        self._show(own.text)

    def _check_resolved(self, number: int, filing: PlannedTicket) -> None:
        moderator = self._staff[filing.moderator.slack_id]
        card = _only(moderator.wait_for_dm(f"#{number} {filing.title}"))
        self._print_step(f"{moderator.name} presses Accept.")
        moderator.click(card, ids.ACCEPT)
        card = moderator.wait_for(lambda: self._accepted(moderator, filing), "the card to change")
        self._print_step(f"{moderator.name} presses Resolve and writes “{self._plan.resolution}”.")
        moderator.click(card, ids.RESOLVE)
        moderator.fill(resolution=self._plan.resolution)
        _expect("Errors beside the fields", {}, moderator.submit().errors)
        own = self._emma.wait_for_dm("*Resolved* by", filing.title)
        _expect("Emma's card was updated in place", True, own[0].edited)
        self._print_step("Emma's own message now says:")
        self._show(own[0].text)
        told = self._emma.wait_for_dm(f"resolved *Ticket {number}*", self._plan.resolution)
        self._print_step("And another message:")
        self._show(told[0].text)

    @staticmethod
    def _accepted(moderator: SlackUser, filing: PlannedTicket) -> ScreenMessage | None:
        """Return the moderator's card once it can be resolved."""
        cards = (card for card in moderator.dm() if filing.title in card.text)
        return next((card for card in cards if "Resolve" in card.labels), None)

    def _wait_until_delivered(self) -> None:
        """Wait until the outbox is empty, so that any duplicate has arrived, too."""
        deadline = time.monotonic() + 15
        while left := self._db.tickets.count_documents({"outbox": True}):
            if time.monotonic() > deadline:
                raise SmokeFailed("Tickets with something left to send", expected=0, seen=left)
            time.sleep(0.1)

    def _check_messages(self) -> None:
        for member in self._plan.staff:
            expected = [f.title for f in self._plan.tickets if f.moderator == member]
            cards = self._staff[member.slack_id].dm()
            seen = [_title(card, self._plan.tickets) for card in cards]
            _expect(f"The direct messages of {member.real_name}", expected, seen)
        for filing in self._plan.tickets:
            name = self._staff[filing.moderator.slack_id].name
            mine = [card for card in self._emma.dm() if filing.title in card.text]
            whose = (f"*Assigned* to @{name}", f"*Resolved* by @{name}")
            cards = [card for card in mine if any(words in card.text for words in whose)]
            _expect(f"Emma's messages that say who has “{filing.title}”", 1, len(cards))
            old = [card.text for card in mine if "Finding someone" in card.text]
            _expect(f"Emma's messages that still look for someone for “{filing.title}”", [], old)
        self._print_step("No one else got a message, and no one got one twice.")

    def _print_step(self, sentence: str) -> None:
        print(f"\n[{self.seconds:4.1f} s] {sentence}", flush=True)

    def _show(self, text: str, *, buttons: Sequence[str] = ()) -> None:
        pressed = [f"[{label}]" for label in buttons]
        for line in [*text.splitlines(), *pressed]:
            print(f"          | {line}", flush=True)


def _line(card: ScreenMessage, start: str) -> str:
    return next((line for line in card.text.splitlines() if line.startswith(start)), "")


def _only(cards: list[ScreenMessage]) -> ScreenMessage:
    _expect("How many messages there are of it", 1, len(cards))
    return cards[0]


def _title(card: ScreenMessage, filings: Sequence[PlannedTicket]) -> str:
    return next((filing.title for filing in filings if filing.title in card.text), card.text)


def _expect(what: str, expected: object, seen: object) -> None:
    if expected != seen:
        raise SmokeFailed(what, expected=expected, seen=seen)


def _expect_in(what: str, expected: str, seen: str) -> None:
    if expected not in seen:
        raise SmokeFailed(what, expected=f"a text with {expected!r}", seen=repr(seen))


def _logs(stack: Stack) -> str:
    parts = [f"--- {name}\n{process.tail(20)}" for name, process in stack.product.processes.items()]
    return "\n".join(parts)
