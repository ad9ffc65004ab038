"""What kind of error it is: what the user is told, and what is counted, both go by that."""

from enum import StrEnum

from pymongo.errors import ConnectionFailure, PyMongoError
from slack_sdk.errors import SlackApiError, SlackClientError

from services.core.errors import DomainError


class ErrorKind(StrEnum):
    REFUSED = "refused"  # its sentence is for the user
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
