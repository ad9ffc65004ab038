"""Change several tickets of a list in Home: the form, its review, and the change.

The changes begin before the acknowledgement, which shows their results: of two updates of a modal
Slack may show the earlier one last. What is not done by then follows, and updates the modal with
each result.
"""

import logging
import time

from bot.handlers import app_home
from bot.handlers.secret_warning import warn_of_secrets
from bot.slack.error_responses import error_message
from bot.slack.request import Request
from bot.slack.source_messages import SLACK_ERRORS
from bot.views.modals import bulk_changes as views
from bot.views.modals.bulk_changes import BulkResult, ReviewMetadata
from services.core.errors import Conflict
from services.editing.bulk_changes import BulkAction, BulkChange, ReviewedTicket
from services.home.sessions import Screen
from services.lists.list_query import ListKind, ListQuery

logger = logging.getLogger(__name__)

# Of the three that Slack waits; one change may take as long as a handler.
ACK_BUDGET_SECONDS = 0.8
NO_TICKETS = "There are no tickets here any more."
OUTDATED = "This form is out of date. Open it again from the list."


def open_form(req: Request) -> None:
    """Open the form for the tickets of the page in Home."""
    list_query = Screen.decode(req.button_value).list_query or ListQuery(ListKind.QUEUE)
    listed = req.services.lists.get_page(
        actor=req.actor, team_id=req.bot.team_id, list_query=list_query
    )
    if not listed.page.tickets:
        raise Conflict(NO_TICKETS)
    action = views.BULK_ACTIONS[req.body["actions"][0]["action_id"]]
    req.open_form(views.bulk_form(action, listed))


def review(req: Request) -> None:
    """Show what the change will do, in place of the form."""
    if req.metadata not in set(BulkAction):
        raise Conflict(OUTDATED)
    action = BulkAction(req.metadata)
    field = {BulkAction.ASSIGN: "assignedTo", BulkAction.SET_PRIORITY: "priority"}.get(action)
    reviewed = req.services.bulk_changes.review(
        actor=req.actor,
        team_id=req.bot.team_id,
        change=BulkChange(action, req.field_value(field) if field else ""),
        ticket_ids=req.form.submitted("tickets"),
    )
    view = req.origin.attached_to(views.bulk_review(reviewed))
    req.ack(response_action="update", view=view)


def apply(req: Request) -> None:
    """Change the reviewed tickets, one after the other.

    A form that is submitted twice shows the same results: each change is idempotent.
    """
    reviewed = ReviewMetadata.decode(req.metadata)
    if reviewed is None:
        raise Conflict(OUTDATED)
    if warn_of_secrets(req, "resolution"):
        return
    results: list[BulkResult] = []
    began = time.monotonic()
    for ticket in reviewed.tickets:
        if time.monotonic() - began >= ACK_BUDGET_SECONDS:
            break
        results.append(_change(req, reviewed.change, ticket))
    req.ack(response_action="update", view=views.bulk_results(reviewed, results))
    req.follow_up = lambda: _finish(req, reviewed, results)


def _finish(req: Request, reviewed: ReviewMetadata, results: list[BulkResult]) -> None:
    for ticket in reviewed.tickets[len(results) :]:
        results.append(_change(req, reviewed.change, ticket))
        try:
            req.bot.client.views_update(
                view_id=req.body["view"]["id"], view=views.bulk_results(reviewed, results)
            )
        except SLACK_ERRORS as error:  # the user may have closed it
            logger.info("the results of a bulk change were not shown: %s", type(error).__name__)
    try:
        with req.bot.handler_deadline():
            app_home.refresh_screen(req)
    except SLACK_ERRORS as error:
        logger.warning("Home was not refreshed: %s", type(error).__name__)


def _change(req: Request, change: BulkChange, ticket: ReviewedTicket) -> BulkResult:
    note = req.field_value("resolution") if "resolution" in req.form else ""
    try:
        with req.bot.handler_deadline():
            changed = req.services.bulk_changes.apply(
                actor=req.actor, change=change, reviewed=ticket, note=note
            )
    except Exception as error:  # noqa: BLE001  shown beside the ticket; the others go on
        return BulkResult(ticket.number, refusal=error_message(error, is_save=True))
    req.bot.publisher.publish_ticket(str(changed.id))
    return BulkResult(ticket.number, changed)
