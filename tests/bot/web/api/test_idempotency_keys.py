"""Filing a ticket again with the same idempotency key."""

from datetime import timedelta

from services.core.database import Mongo
from services.models.user import Role
from tests.conftest import FixedClock, People, at_once
from tests.support.api_client import FINE, Api, problem
from tests.support.canary import FILED

KEY = {"Idempotency-Key": "7e57-0f-a-retry"}


def test_a_call_sent_again_finds_its_ticket(
    api: Api, people: People, db: Mongo, clock: FixedClock
) -> None:
    requester, moderator = people.add(), people.add(Role.MODERATOR)
    due = (clock.now + timedelta(minutes=1)).isoformat()
    first = api.post("/api/tickets", by=requester, json={**FINE, "deadline": due}, headers=KEY)
    clock.advance(minutes=2)  # the deadline has passed
    again = api.post("/api/tickets", by=requester, json={**FINE, "deadline": due}, headers=KEY)
    assert problem(again) == problem(first)
    path = f"/api/tickets/{first.json()['ticket']['_id']}"
    api.patch(path, by=moderator, json={"title": "Another title"})
    again = api.post("/api/tickets", by=requester, json={**FINE, "deadline": due}, headers=KEY)
    assert (again.status_code, again.json()["ticket"]["title"]) == (201, "Another title")
    assert db.tickets.count_documents(FILED) == 1


def test_with_other_words_it_is_a_conflict(api: Api, people: People, db: Mongo) -> None:
    requester = people.add()
    api.post("/api/tickets", by=requester, json=FINE, headers=KEY)
    for other in ({"title": "Another"}, {"description": "Other words."}, {"priority": "low"}):
        answer = api.post("/api/tickets", by=requester, json={**FINE, **other}, headers=KEY)
        sentence = "This key has filed another ticket already. Take a new one for each ticket."
        assert problem(answer) == (409, {"error": sentence, "code": "conflict"})
    assert [doc["title"] for doc in db.tickets.find(FILED)] == ["VPN drops"]


def test_a_key_is_its_owners(api: Api, people: People) -> None:
    ids = {
        api.post("/api/tickets", by=people.add(), json=FINE, headers=KEY).json()["ticket"]["_id"]
        for _ in range(2)
    }
    assert len(ids) == 2


def test_ten_at_once_file_one_ticket(api: Api, people: People, db: Mongo) -> None:
    token = api.token(people.add())

    def send() -> tuple[int, str]:
        mine = Api(api.url)
        answer = mine.post("/api/tickets", by=token, json=FINE, headers=KEY)
        return answer.status_code, answer.json()["ticket"]["_id"]

    assert len(set(at_once(*[send] * 10))) == 1
    assert db.tickets.count_documents(FILED) == 1


def test_without_a_key_each_call_files_one(api: Api, people: People) -> None:
    requester = people.add()
    assert [api.filed(requester)["number"] for _ in range(3)] == [1, 2, 3]


def test_a_bad_key_is_refused(api: Api, people: People) -> None:
    requester = people.add()
    for key in ("", "two words", "x" * 256, "\u00fc"):
        headers = {"Idempotency-Key": key.encode()}
        answer = api.post("/api/tickets", by=requester, json=FINE, headers=headers)
        assert problem(answer) == (
            400,
            {
                "error": "Idempotency-Key: Give 1 to 255 characters of ASCII without blanks, such "
                "as a UUID.",
                "code": "invalid",
                "field": "Idempotency-Key",
            },
        )
