"""The baseline of the worker: a Celery task with one update in MongoDB and three messages, sent
through the worker's kept connections."""

import os
from functools import cache

from bson import ObjectId
from celery import Celery
from pymongo import MongoClient
from pymongo.collection import Collection

from bot.slack.transport import SlackClient
from services.core.database import Document

ASSIGN = "assign"
READY = " ready."  # Celery's words
app = Celery("bench", task_ignore_result=True)


@cache
def _tickets() -> Collection[Document]:
    client: MongoClient[Document] = MongoClient(os.environ["MONGO_URI"])
    return client.get_default_database()["tickets"]


@cache
def _slack() -> SlackClient:
    return SlackClient(
        token=os.environ["SLACK_BOT_TOKEN"],
        base_url=os.environ["SLACK_API_URL"],
        retry_handlers=[],
    )


@app.task(name=ASSIGN, shared=False)
def assign(ticket_id: str) -> None:
    _tickets().update_one({"_id": ObjectId(ticket_id)}, {"$set": {"status": "ASSIGNED"}})
    for channel in ("U0REQUESTER", "U0ASSIGNEE", "C0TRIAGE"):
        _slack().chat_postMessage(channel=channel, text=f"Ticket {ticket_id} is assigned.")
