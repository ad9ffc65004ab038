"""What can go wrong in the domain. `str(error)` is a sentence its user may read."""


class DomainError(Exception):
    """The base: bad input or a refusal, never a fault of ours."""


class InvalidValue(DomainError):
    """A value is not acceptable; `field` names the form's field it is about."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NotAllowedInState(InvalidValue):
    """The value would do, but not in the state that the thing is in."""


class NotFound(DomainError):
    """There is no such thing, or none that this person may know of."""


class PermissionDenied(DomainError):
    """The person's role does not allow this."""


class Conflict(DomainError):
    """The thing changed meanwhile, or its state does not allow this step."""


class Unauthenticated(DomainError):
    """Nobody knows who asks. The sentence is the same whatever the reason."""


class LimitReached(DomainError):
    """Too many, too fast. `retry_after` is in seconds, None where nobody knows when."""

    def __init__(self, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class MemberRefused(DomainError):
    """This Slack member gets no account; the sentence says why and what to do."""
