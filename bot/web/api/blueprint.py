"""The predecessor's HTTP API, over the services that Slack is served by."""

import logging
from collections.abc import Callable
from typing import Any

import pymongo
from flask import Blueprint, Response, jsonify, request

from bot.web.api import request_bodies
from bot.web.api.call import ApiServices, Call
from bot.web.api.openapi import document
from bot.web.api.operations import OPERATIONS, Operation
from bot.web.email_trigger import mail_soon

logger = logging.getLogger(__name__)


def api(counter: ApiServices) -> Blueprint:
    """The calls of `OPERATIONS`, and `/api/openapi.json`, which describes them."""
    blueprint = Blueprint("api", __name__)
    for operation in OPERATIONS:
        blueprint.add_url_rule(
            operation.rule,
            operation.name,
            _answering(operation, counter),
            methods=[operation.method],
            provide_automatic_options=False,
            strict_slashes=False,  # as Express takes them
        )
    described = document()

    @blueprint.get("/api/openapi.json")
    def describe() -> Response:
        return jsonify(described)

    return blueprint


def _answering(operation: Operation, counter: ApiServices) -> Callable[..., Response]:
    def answer(**path: str) -> Response:
        call = Call(request, counter)
        with pymongo.timeout(operation.seconds):
            given: dict[str, Any] = {**path}
            if operation.has_token:
                _ = call.user  # who asks is found out before anything is read
            if operation.body:
                given["body"] = request_bodies.read(request, operation.body)
            told = operation.handler(call, **given)
        answered = Response(
            told.model_dump_json(), status=operation.status, mimetype="application/json"
        )
        for ticket in call.changed:
            counter.publisher.publish_ticket(str(ticket.id))
        if call.has_mail:
            mail_soon(answered, counter.letters, counter.publisher)
        logger.info("%s %s", operation.name, operation.status)
        return answered

    return answer
