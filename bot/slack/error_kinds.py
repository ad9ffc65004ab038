"""What kind of error it is: what the user is told, and what is counted, both go by that."""

from enum import StrEnum

from pymongo.errors import ConnectionFailure, PyMongoError
from slack_sdk.errors import SlackApiError, SlackClientError

from services.core.errors import DomainError


class Fault(StrEnum):
    REFUSED = "refused"  # its sentence is for the user
    DATABASE_AWAY = "database_away"
    SLACK = "slack"
    OURS = "fault"


def fault_of(error: Exception) -> Fault:
    if isinstance(error, DomainError):
        return Fault.REFUSED
    if isinstance(error, ConnectionFailure) or (isinstance(error, PyMongoError) and error.timeout):
        return Fault.DATABASE_AWAY
    if isinstance(error, (SlackApiError, SlackClientError, OSError)):
        return Fault.SLACK
    return Fault.OURS
