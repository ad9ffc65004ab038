import pytest

from services.assignment.assignment_service import AssignmentService
from services.core.database import Mongo
from services.linking.links import LinkService


@pytest.fixture
def store(db: Mongo, links: LinkService) -> AssignmentService:
    return AssignmentService(db, links)
