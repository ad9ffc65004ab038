"""Every kind of error in every kind of payload: the response, its place, and the log line."""

import json
from typing import Any

import pytest
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WriteConcernError,
    WriteError,
)
from slack_sdk.errors import SlackApiError, SlackClientConfigurationError

from bot.slack.error_responses import (
    DATABASE_FAILING,
    DATABASE_UNAVAILABLE,
    NOT_SAVED_DATABASE_FAILING,
    NOT_SAVED_DATABASE_UNAVAILABLE,
    error_message,
    error_response,
)
from bot.views.inputs import View, notice_modal
from bot.views.modals import file_ticket, ticket_actions
from services.core.errors import (
    Conflict,
    DomainError,
    InvalidValue,
    LimitReached,
    MemberRefused,
    NotFound,
    PermissionDenied,
)
from tests.conftest import sample_ticket
from tests.support import payloads

OURS = "Something went wrong on our side. Try again; if it goes on, tell an admin this reference: "
SLACKS = "Slack had a problem just now. Try again in a moment. (Reference "


@pytest.mark.parametrize(
    "kind", [Conflict, PermissionDenied, LimitReached, NotFound, MemberRefused]
)
def test_a_domain_error_is_its_own_sentence(
    kind: type[DomainError], caplog: pytest.LogCaptureFixture
) -> None:
    assert error_message(kind("You may not.")) == "You may not."
    assert caplog.records == []


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("gone"),
        NetworkTimeout("slow"),
        ServerSelectionTimeoutError("nobody"),
        ExecutionTimeout("slow", 50),
    ],
)
def test_the_database_away(error: PyMongoError, caplog: pytest.LogCaptureFixture) -> None:
    assert error_message(error) == DATABASE_UNAVAILABLE
    assert error_message(error, is_save=True) == NOT_SAVED_DATABASE_UNAVAILABLE
    (record, _) = caplog.records
    assert record.getMessage() == f"database away: {type(error).__name__}"
    assert record.exc_info is None


@pytest.mark.parametrize(
    ("error", "is_about_writes"),
    [
        (OperationFailure("disk", 14031), True),
        (OperationFailure("quota", 8000), True),
        (WriteError("blocked", 371), True),
        (WriteConcernError("too few members", 100), True),
        (BulkWriteError({"writeErrors": [{"code": 14031}]}), True),
        (BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 100}]}), True),
        (OperationFailure("panic", 1), False),
        (OperationFailure("no rights", 13), False),
    ],
)
def test_the_database_failing(
    error: OperationFailure, is_about_writes: bool, caplog: pytest.LogCaptureFixture
) -> None:
    text = NOT_SAVED_DATABASE_FAILING if is_about_writes else DATABASE_FAILING
    assert error_message(error) == text
    assert error_message(error, is_save=True) == NOT_SAVED_DATABASE_FAILING
    (record, _) = caplog.records
    assert record.getMessage() == f"database failing: {type(error).__name__}, error {error.code}"


@pytest.mark.parametrize(
    "error",
    [
        SlackApiError("refused", {"ok": False}),  # type: ignore[no-untyped-call]  # the SDK's
        SlackClientConfigurationError("odd"),
        ConnectionRefusedError("closed"),
        TimeoutError("slow"),
    ],
)
def test_slack_failing(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    said = error_message(error)
    assert said.startswith(SLACKS)
    reference = said.removeprefix(SLACKS).removesuffix(")")
    (record,) = caplog.records
    assert record.getMessage() == f"slack failed, reference {reference}"
    assert record.exc_info


@pytest.mark.parametrize(
    "error", [KeyError("title"), DuplicateKeyError("twice"), WriteError("odd", 2)]
)
def test_a_fault_of_ours(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    said = error_message(error)
    assert said.startswith(OURS)
    (record,) = caplog.records
    assert record.getMessage() == f"unexpected fault, reference {said.removeprefix(OURS)}"
    assert record.exc_info


def answered(error: Exception, body: dict[str, Any]) -> Any:
    response = error_response(error, body)
    assert response.status == 200
    return json.loads(response.body) if response.body else {}


def submission(view: View) -> dict[str, Any]:
    return payloads.view_submission({**view, "id": "V1"}, user="U0ANN")


@pytest.mark.parametrize(
    ("error", "field"),
    [
        (InvalidValue("description", "Too long."), "description"),
        (InvalidValue("priority", "Too long."), "priority"),
        (InvalidValue("deadline", "Too long."), "deadline"),
        (InvalidValue("assignedTo", "Too long."), "title"),
        (Conflict("Too long."), "title"),
    ],
)
def test_a_form_is_answered_beside_a_field(error: DomainError, field: str) -> None:
    expected = {"response_action": "errors", "errors": {field: "Too long."}}
    assert (
        answered(error, submission(file_ticket.file_ticket_modal(is_ai_enabled=False))) == expected
    )


def test_another_form_has_other_fields() -> None:
    view = ticket_actions.resolve_ticket_modal(sample_ticket())
    assert answered(NotFound("None."), submission(view))["errors"] == {"resolution": "None."}


def test_a_modal_without_fields_becomes_the_sentence() -> None:
    view = ticket_actions.cancel_ticket_modal(sample_ticket())
    assert answered(Conflict("It is over."), submission(view)) == {
        "response_action": "update",
        "view": notice_modal("It is over."),
    }


def test_a_command_is_answered_in_private_without_markup() -> None:
    body = payloads.slash_command(user="U0ANN")
    assert answered(MemberRefused("No <!channel> & co."), body) == {
        "response_type": "ephemeral",
        "text": "No &lt;!channel&gt; &amp; co.",
        "parse": "none",
    }


def test_an_event_is_answered_with_nothing() -> None:
    body = payloads.event({"type": "app_home_opened", "user": "U0ANN"})
    assert answered(MemberRefused("No."), body) == {}
