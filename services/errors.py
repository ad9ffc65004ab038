"""What can go wrong in the domain. `str(error)` is a sentence its user may read."""


class DomainError(Exception):
    """The base: bad input or a refusal, never a fault of ours."""


class Invalid(DomainError):
    """A value is not acceptable; `field` names the form's field it is about."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NotFound(DomainError):
    """There is no such thing, or none that this person may know of."""


class Denied(DomainError):
    """The person's role does not allow this."""


class Conflict(DomainError):
    """The thing changed meanwhile, or its state does not allow this step."""


class LimitReached(DomainError):
    """Too many, too fast."""


class Refused(DomainError):
    """This Slack member gets no account; the sentence says why and what to do."""
