"""The baselines that a bot is compared with: Bolt or Flask with one statement of MongoDB, or with
one call to Slack, without accounts, checks, history and publication."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from bson import ObjectId, json_util
from cheroot import wsgi
from flask import Flask, Response, request
from pymongo import MongoClient
from pymongo.collection import Collection
from slack_bolt import Ack, App
from slack_bolt.adapter.flask import SlackRequestHandler

from bot.slack.transport import SlackClient
from bot.views import ids
from bot.views.modals.file_ticket import file_ticket_modal
from bot.web.server import WebServer
from services.core.database import Document

SIGNING_SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105  of servers that only bench starts
HOST = "127.0.0.1"
PAGE = 10
READY = "the baselines are ready"
LISTENERS = 20


def main(*, mongo_uri: str, port: int, form_port: int, slack_url: str) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"):
        os.environ.pop(name, None)  # Bolt would read them
    client: MongoClient[Document] = MongoClient(mongo_uri, tz_aware=True)
    slack = SlackClient(token="xoxb-bare", base_url=slack_url, retry_handlers=[])  # noqa: S106
    statements = _statements(client.get_default_database()["tickets"], slack)
    server = wsgi.Server((HOST, port), statements, numthreads=40)
    server.prepare()
    with WebServer(_form(slack), host=HOST, port=form_port):
        print(READY, flush=True)
        server.serve()


def _statements(tickets: Collection[Document], slack: SlackClient) -> Flask:
    flask_app = Flask("statements")

    def insert(title: str, description: str) -> Document:
        doc: Document = {
            "_id": ObjectId(),
            "title": title,
            "description": description,
            "createdAt": datetime.now(UTC),
        }
        tickets.insert_one(doc)
        return doc

    def bolt_app(*, before_response: bool) -> SlackRequestHandler:
        app = App(
            client=slack,
            signing_secret=SIGNING_SECRET,
            token_verification_enabled=False,
            process_before_response=before_response,
        )

        @app.view(ids.FILE_TICKET)
        def file(ack: Ack, body: Document) -> None:
            values = body["view"]["state"]["values"]
            insert(values["title"]["title"]["value"], values["description"]["description"]["value"])
            ack()

        return SlackRequestHandler(app)

    polling, direct = bolt_app(before_response=False), bolt_app(before_response=True)
    flask_app.add_url_rule("/polling", "polling", lambda: polling.handle(request), methods=["POST"])
    flask_app.add_url_rule("/direct", "direct", lambda: direct.handle(request), methods=["POST"])

    @flask_app.post("/tickets")
    def create() -> Response:
        body = request.get_json()
        return _json(insert(body["title"], body["description"]))

    owner = ObjectId()
    tickets.create_index([("createdBy", 1), ("createdAt", -1)])
    for _ in range(PAGE):
        tickets.update_one(
            {"_id": insert("The VPN is down", "It does not work. " * 10)["_id"]},
            {"$set": {"createdBy": owner}},
        )

    @flask_app.get("/tickets")
    def read() -> Response:
        newest = tickets.find({"createdBy": owner}).sort("createdAt", -1)
        return _json(list(newest.limit(PAGE)))

    return flask_app


def _form(slack: SlackClient) -> Flask:
    """Open a fixed form through the bot's kept connections."""
    app = App(
        client=slack,
        signing_secret=SIGNING_SECRET,
        listener_executor=ThreadPoolExecutor(LISTENERS),
    )
    form = json.loads(json.dumps(file_ticket_modal(is_ai_enabled=False)))

    @app.command("/ticket")
    def open_form(ack: Callable[[], None], body: dict[str, Any]) -> None:
        slack.views_open(trigger_id=body["trigger_id"], view=form)
        ack()

    flask_app = Flask("form")
    handler = SlackRequestHandler(app)
    flask_app.add_url_rule(
        "/slack/events", "form", lambda: handler.handle(request), methods=["POST"]
    )
    return flask_app


def _json(value: object) -> Response:
    return Response(json_util.dumps(value), mimetype="application/json")


if __name__ == "__main__":
    main(
        mongo_uri=os.environ["MONGO_URI"],
        port=int(os.environ["PORT"]),
        form_port=int(os.environ["FORM_PORT"]),
        slack_url=os.environ["SLACK_API_URL"],
    )
