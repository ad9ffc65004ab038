"""A form as its page shows it: what was typed, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.web.http_errors import Problem

# Never sent back, not even to whoever typed it.
SECRET_FIELDS = frozenset({"password", "repeat", "currentPassword", "csrf"})


@dataclass(frozen=True, slots=True)
class Form:
    """`fields` are its inputs; a problem with none of them stands above all."""

    fields: tuple[str, ...]
    values: Mapping[str, str] = field(default_factory=dict)
    problem: Problem | None = None

    def value(self, name: str) -> str:
        return "" if name in SECRET_FIELDS else self.values.get(name, "")

    def error(self, name: str) -> str:
        """What is wrong with that field; "" for nothing."""
        problem = self.problem
        return problem.message if problem and problem.field == name else ""

    @property
    def general_error(self) -> str:
        problem = self.problem
        return problem.message if problem and problem.field not in self.fields else ""
