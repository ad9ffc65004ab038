import pytest

from services.core.database import DEFAULT_DATABASE_NAME, connect


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("helpdesk", "helpdesk"),
        ("", DEFAULT_DATABASE_NAME),
        ("?retryWrites=true", DEFAULT_DATABASE_NAME),
    ],
)
def test_the_uri_names_the_database(path: str, name: str) -> None:
    db = connect(f"mongodb://127.0.0.1:9/{path}")  # no server there: connects lazily
    assert db.name == name
    assert db.client.codec_options.tz_aware
    assert db.client.write_concern.document == {"w": "majority", "j": True}
    assert db.client.options.timeout == 5
    assert db.tickets.write_concern == db.client.write_concern
    assert db.tickets is db["tickets"]  # made once
    db.client.close()
