import pytest

from services.core.clock import utcnow
from services.core.database import Mongo
from services.core.errors import Conflict
from services.core.installation import claim_installation
from tests.conftest import FixedClock, at_once


def test_the_first_workspace_owns_the_database(db: Mongo, clock: FixedClock) -> None:
    claim_installation(db, team_id="T1", clock=clock)
    first = clock()
    clock.advance(days=1)
    claim_installation(db, team_id="T1", clock=clock)
    assert list(db.meta.find()) == [{"_id": "installation", "teamId": "T1", "createdAt": first}]


def test_another_workspaces_token_is_refused(db: Mongo) -> None:
    claim_installation(db, team_id="T1")
    with pytest.raises(Conflict) as refused:
        claim_installation(db, team_id="T2")
    assert str(refused.value) == (
        "This database belongs to the Slack workspace T1, but the bot token is for T2. "
        "Use that workspace's token, or another database."
    )


def test_of_two_workspaces_at_once_one_wins(db: Mongo) -> None:
    answers = at_once(
        *[
            lambda team=team: claim_installation(db, team_id=team, clock=utcnow)
            for team in ["T1", "T2"] * 4
        ]
    )
    (owner,) = [doc["teamId"] for doc in db.meta.find()]
    assert [answer is None for answer in answers] == [team == owner for team in ["T1", "T2"] * 4]
    assert all(answer is None or isinstance(answer, Conflict) for answer in answers)
