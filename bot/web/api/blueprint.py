"""The legacy backend's HTTP API, on the services that Slack uses."""

import logging
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request

from bot.slack.bot_process import BotProcess
from bot.web.api import request_bodies
from bot.web.api.api_request import ApiRequest
from bot.web.api.openapi import openapi_document
from bot.web.api.operations import OPERATIONS, Operation
from bot.web.email_trigger import trigger_email_delivery
from services.core.rate_limit import Limit

logger = logging.getLogger(__name__)


def api_blueprint(bot: BotProcess) -> Blueprint:
    """The calls of `OPERATIONS`, and `/api/openapi.json`, which describes them."""
    blueprint = Blueprint("api", __name__)
    for operation in OPERATIONS:
        blueprint.add_url_rule(
            operation.flask_rule,
            operation.operation_id,
            _view_function(operation, bot),
            methods=[operation.method],
            provide_automatic_options=False,
            strict_slashes=False,  # as Express takes them
        )
    described = openapi_document()

    @blueprint.get("/api/openapi.json")
    def describe() -> Response:
        return jsonify(described)

    return blueprint


def _view_function(operation: Operation, bot: BotProcess) -> Callable[..., Response]:
    def answer(**path: str) -> Response:
        req = ApiRequest(request, bot)
        with bot.database.deadline(operation.timeout_seconds):
            arguments: dict[str, Any] = {**path}
            if operation.requires_token:
                # Before the body is read.
                bot.services.rate_limiter.take((Limit.API_CALLS, str(req.user.id)))
            if operation.request_model:
                arguments["body"] = request_bodies.parse_body(request, operation.request_model)
            result = operation.handler(req, **arguments)
        response = Response(
            result.model_dump_json(), status=operation.status, mimetype="application/json"
        )
        if req.signed_in:
            token = bot.services.sign_in.issue_device_token(
                req.signed_in, device_token=req.cookies.device_token()
            )
            req.cookies.set_device(response, token)
        for ticket in req.changed_tickets:
            bot.publisher.publish_ticket(str(ticket.id))
        if req.has_queued_email:
            trigger_email_delivery(response, bot.services.emails, bot.publisher)
        logger.info("%s %s", operation.operation_id, operation.status)
        return response

    return answer
