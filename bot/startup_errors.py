"""Messages for the operator when a process cannot start or a command fails."""

from urllib.error import URLError

from pymongo.errors import ConfigurationError, PyMongoError
from slack_sdk.errors import SlackApiError, SlackClientError

from services.core.errors import DomainError
from services.core.settings import SettingsError

SLACK_STARTUP_ERRORS = (
    SlackApiError,
    SlackClientError,
    URLError,
    TimeoutError,
    ConnectionResetError,
)
EXPECTED_ERRORS = (DomainError, PyMongoError, *SLACK_STARTUP_ERRORS)


def settings_error_message(command: str, error: SettingsError) -> str:
    """The command that cannot start, and a line for each missing or bad setting."""
    problems = (f"  - {problem}" for problem in error.problems)
    return "\n".join([f"app.py {command} cannot start:", *problems])


def startup_error_message(error: Exception) -> str:
    """The message for one of `EXPECTED_ERRORS`. It names the error's type and quotes no setting."""
    kind = type(error).__name__
    if isinstance(error, DomainError):
        return str(error)
    if isinstance(error, ConfigurationError):
        return f"MONGO_URI cannot be used ({kind})."
    if isinstance(error, PyMongoError):
        return f"MongoDB cannot be reached at MONGO_URI ({kind})."
    if isinstance(error, SlackApiError):
        return f"The bot cannot start: Slack answered {error.response.get('error')}."
    return f"The bot cannot start: Slack cannot be reached ({kind})."
