"""Measure on this machine, with a separate MongoDB: `make bench`."""

from bench import assignment, choosing, open_tickets
from bench.figures import table
from demo.servers import MongoServer
from services.core.database import connect


def main() -> None:
    with MongoServer() as mongo:
        db = connect(mongo.uri_for("bench"))
        figures = [choosing.measure_in_memory(), *choosing.measure_database(db)]
        db.client.close()
        figures += open_tickets.figures(mongo.uri)
    figures += assignment.figures()
    print(table(figures))


if __name__ == "__main__":
    main()
