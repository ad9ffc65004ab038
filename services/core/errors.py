"""Domain errors. `str(error)` is a sentence for the user."""

from collections.abc import Mapping
from types import MappingProxyType


class DomainError(Exception):
    """The base class: invalid input or a refusal, never a bug."""


class InvalidValue(DomainError):
    """A value is invalid; `field` is the name of the form field. `errors` has the sentences of all
    fields that are known to be invalid, this one first."""

    def __init__(
        self, field: str, message: str, *, others: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        super().__init__(message)
        self.field = field
        self.errors = {field: message, **others}


class NotAllowedInState(InvalidValue):
    """The value is valid, but not in the object's current state."""


class NotFound(DomainError):
    """The object does not exist, or the user may not know of it."""


class PermissionDenied(DomainError):
    """The user's role does not allow this."""


class Conflict(DomainError):
    """The object changed concurrently, or its state does not allow this action."""


class Unauthenticated(DomainError):
    """The user is not signed in. The sentence is the same for all reasons."""


class ScopeMissing(DomainError):
    """The Slack app lacks this scope, so a part of the product is off."""

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"This doesn't work, because the app lacks a permission in Slack ({scope}). Ask an "
            "admin to add it."
        )


class LimitReached(DomainError):
    """Too many requests. `retry_after` is in seconds, None if unknown."""

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MemberRefused(DomainError):
    """The Slack member gets no account; the sentence says why, and what to do."""


class MemberInactive(MemberRefused):
    """A bot or a deleted member: no person reads an answer."""
