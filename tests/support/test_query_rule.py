"""The rule for queries, and its exceptions."""

from typing import Any

import pytest
from bson import ObjectId

from services.core.database import Mongo
from services.tickets.queries import count_open_tickets
from tests.conftest import recorder
from tests.support.query_rule import (
    EXCEPTIONS,
    MAX_EXCEPTIONS,
    NOT_ALL_INDEXED,
    NOT_INDEXED,
    SEVERAL_LISTS,
    Query,
    fault,
    queries,
    query_faults,
)

NEWEST = (("createdAt", -1), ("_id", -1))
QUEUE = (("queueKey", 1), ("_id", 1))


@pytest.mark.parametrize(
    ("query", "sort", "why"),
    [
        ({"_id": 1, "anything": "else"}, (), ""),
        ({"_id": {"$in": [1, 2]}}, (), ""),
        ({"teamId": "T1", "requestId": "V1"}, (), ""),
        ({"source.ts": "1.000001", "source.channel": "C1"}, (), ""),
        ({"source.channel": "C1"}, (), NOT_INDEXED),
        ({"title": "x"}, (), NOT_INDEXED),
        ({}, (), NOT_INDEXED),
        ({}, NEWEST, ""),
        ({"createdBy": 1}, NEWEST, ""),
        ({"createdBy": 1}, (("createdAt", 1), ("_id", 1)), ""),
        ({"createdBy": 1}, (("createdAt", 1), ("_id", -1)), NOT_INDEXED),
        ({"createdBy": 1}, (("title", 1),), NOT_INDEXED),
        ({"createdBy": 1, "title": "x"}, NEWEST, NOT_ALL_INDEXED),
        ({"createdBy": 1, "aside": None}, NEWEST, ""),
        ({"createdBy": {"$ne": 1}}, (), NOT_INDEXED),
        ({"createdBy": 1, "status": {"$in": ["TODO", "WAITING"]}}, NEWEST, ""),
        ({"createdBy": {"$in": [1]}, "status": {"$in": ["TODO"]}}, (), SEVERAL_LISTS),
        ({"queueKey": {"$gt": ""}}, QUEUE, ""),
        ({"queueKey": {"$gt": "", "$gte": "0-1"}, "$or": []}, QUEUE, ""),
        ({"queueKey": {"$gte": "0-1"}}, QUEUE, ""),
        ({"queueKey": {"$gte": ""}}, QUEUE, NOT_INDEXED),
        ({"queueKey": {"$gt": ""}, "priority": "high"}, QUEUE, ""),
        ({"assignedTo": 1, "queueKey": {"$gt": ""}, "status": {"$ne": "TODO"}}, QUEUE, ""),
        ({"outbox": True, "nextTryAt": {"$lte": 1}}, (("nextTryAt", 1),), ""),
        ({"nextTryAt": {"$lte": 1}}, (("nextTryAt", 1),), NOT_INDEXED),
        ({"assignment.next": {"$gt": 1}}, (), ""),
        ({"assignment.next": None}, (), NOT_INDEXED),
        ({"$or": [{"assignment.next": {"$gt": 1}}, {"assignment.next": 0}]}, (), ""),
        ({"$or": [{"assignment.next": {"$gt": 1}}, {"title": "x"}]}, (), NOT_INDEXED),
        ({"status": {"$in": ["TODO"]}, "queueKey": None}, (), ""),
        ({"relatedSkills": {"$in": ["VPN"]}, "queueKey": {"$gt": ""}}, QUEUE, ""),
        ({"relatedSkills": {"$in": ["VPN"]}}, (), NOT_INDEXED),
    ],
)
def test_the_rule(query: dict[str, Any], sort: tuple[tuple[str, int], ...], why: str) -> None:
    assert fault(Query("tickets", query, sort)) == why


def test_the_first_stages_of_a_pipeline_are_one_query() -> None:
    pipeline: list[dict[str, Any]] = [
        {"$match": {"createdBy": 1}},
        {"$match": {"title": "x"}},
        {"$sort": {"createdAt": -1}},
        {"$match": {"later": 1}},
    ]
    (query,) = queries("aggregate", {"aggregate": "tickets", "pipeline": pipeline})
    assert query == Query(
        "tickets", {"$and": [{"createdBy": 1}, {"title": "x"}]}, (("createdAt", -1),)
    )


def test_the_products_queries_are_recorded_and_those_of_tests_are_not(db: Mongo) -> None:
    place = ("services/tickets/queries.py (count_open_tickets)", "tickets")
    recorder.places.discard(place)
    db.tickets.find_one({"title": "Printer"})
    assert place not in recorder.places
    count_open_tickets(db, ObjectId())
    assert place in recorder.places
    assert not any("tests/" in line for line in recorder.found)


def test_a_query_that_breaks_the_rule_fails_the_run_but_for_the_exceptions() -> None:
    excused = next(iter(EXCEPTIONS))
    place, _, why = excused.partition(": ")
    found = [f"{place}: users {{}}: {why}", f"{place}: users {{}}: {SEVERAL_LISTS}"]
    assert query_faults(found) == found[1:]


def test_there_are_at_most_ten_exceptions_each_with_its_reason() -> None:
    assert len(EXCEPTIONS) <= MAX_EXCEPTIONS == 10
    assert all(EXCEPTIONS.values())
