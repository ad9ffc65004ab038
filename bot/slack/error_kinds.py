"""Kinds of error: they decide what the user reads and what is counted."""

from enum import StrEnum

from pymongo.errors import ConnectionFailure, PyMongoError
from slack_sdk.errors import SlackApiError, SlackClientError

from services.core.errors import DomainError


class ErrorKind(StrEnum):
    REFUSED = "refused"  # the error's text is for the user
    DATABASE_UNAVAILABLE = "database_away"
    SLACK = "slack"
    INTERNAL = "fault"


def error_kind(error: Exception) -> ErrorKind:
    if isinstance(error, DomainError):
        return ErrorKind.REFUSED
    if isinstance(error, ConnectionFailure) or (isinstance(error, PyMongoError) and error.timeout):
        return ErrorKind.DATABASE_UNAVAILABLE
    if isinstance(error, (SlackApiError, SlackClientError, OSError)):
        return ErrorKind.SLACK
    return ErrorKind.INTERNAL
