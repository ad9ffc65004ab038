"""Generated resolved tickets to train on."""

import random

from services.routing.learned_model import Example

WORDS = {
    "VPN": "tunnel remote gateway office home connect drops timeout",
    "Printer": "paper toner jam tray print queue driver smudge",
    "Payroll": "bonus month tax overtime deduction transfer bank leave",
    "Storage": "disk quota share folder drive full restore snapshot",
}
_FILLER = "please help since monday my colleague cannot work thanks it does not go again"


def examples(count: int, *, seed: int = 1) -> list[Example]:
    """Return examples with three words of one skill, which they do not name."""
    chance = random.Random(seed)  # noqa: S311  no secret
    made = []
    for _ in range(count):
        skill = chance.choice(sorted(WORDS))
        told = chance.sample(WORDS[skill].split(), 3) + chance.sample(_FILLER.split(), 6)
        chance.shuffle(told)
        made.append(Example(" ".join(told), (skill,)))
    return made
