"""The baselines that `bench/answers.py` compares the bot with: Bolt or Flask with one statement of
MongoDB, behind the same HTTP server, without accounts, checks, history and publication."""

import sys
from datetime import UTC, datetime

from bson import ObjectId, json_util
from cheroot import wsgi
from flask import Flask, Response, request
from pymongo import MongoClient
from slack_bolt import Ack, App
from slack_bolt.adapter.flask import SlackRequestHandler

from bot.views import ids
from services.core.database import Document

SIGNING_SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105  of servers that only bench starts
PAGE = 10
LISTENING = "listening on "


def main(mongo_uri: str) -> None:
    client: MongoClient[Document] = MongoClient(mongo_uri, tz_aware=True)
    tickets = client.get_default_database()["tickets"]
    flask_app = Flask(__name__)

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
            token="xoxb-bare",  # noqa: S106  never used
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

    server = wsgi.Server(("127.0.0.1", 0), flask_app, numthreads=40)
    server.prepare()
    print(LISTENING, server.bind_addr[1], sep="", flush=True)
    server.serve()


def _json(value: object) -> Response:
    return Response(json_util.dumps(value), mimetype="application/json")


if __name__ == "__main__":
    main(*sys.argv[1:])
