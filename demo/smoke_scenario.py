"""What a smoke run is about: skills and texts drawn by a number, so that none is known before."""

import random
from dataclasses import dataclass

from demo import seed
from demo.seed import Member

# Skills that no text below names by accident; with pairs that are easily mistaken.
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
               "A setting was wrong (5 < 6). Fixed for everybody.")  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlannedTicket:
    """A ticket to file, whose it must become, and the phrase it says that with."""

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
    """Always the same plan for the same number."""
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
    """Filed last, when the two others have a ticket each: the least loaded is who has none."""
    return PlannedTicket(
        title=dice.choice(UNSKILLED).format(number=dice.randint(2, 40)),
        description=_detail(dice),
        moderator=idle,
        why="",
    )


def _detail(dice: random.Random) -> str:
    return dice.choice(DETAILS).format(number=dice.randint(100, 999), when=dice.choice(WHEN))
