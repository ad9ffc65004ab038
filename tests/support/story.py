"""A story's people and help desk, for modules that name this file in `pytest_plugins`."""

from collections.abc import Iterator

import pytest

from tests.conftest import FixedClock, People
from tests.support.bot_and_workers import BotAndWorkers
from tests.support.person import Album, Story

pytest_plugins = ["tests.support.scenario"]


@pytest.fixture
def story(triage: BotAndWorkers, people: People, clock: FixedClock) -> Iterator[Story]:
    triage.runtime.services.has_triage = True
    album = Album()
    yield Story(triage, people, clock, album)
    album.save()
