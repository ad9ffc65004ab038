"""Redis fails over to its replica while tickets are filed."""

from collections import Counter
from pathlib import Path

import pytest
from redis import Redis

from demo.servers import HOST, MongoServer, RedisServer
from services.core.database import Mongo
from services.core.rate_limiter import RateLimiter
from services.models.user import Role
from services.tickets.filing import TicketService
from tasks.queue.publisher import BackgroundPublisher, CeleryPublisher
from tests.conftest import People, file_ticket
from tests.support.processes import Product, celery_for, eventually, is_outbox_empty
from tests.support.proxies import FailoverProxy
from tests.support.recording_slack import RecordingSlack


class ProxiedRedis(RedisServer):
    """A Redis that clients reach through a proxy."""

    proxy: FailoverProxy

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.proxy.port}/0"


def is_replicating(replica: RedisServer) -> bool:
    with Redis.from_url(replica.url) as client:
        return bool(client.info("replication")["master_link_status"] == "up")


@pytest.mark.long
@pytest.mark.timeout(300)
def test_every_message_arrives_once(
    mongo: MongoServer, db: Mongo, slack: RecordingSlack, people: People, tmp_path: Path
) -> None:
    tickets, requester = TicketService(db, RateLimiter("")), people.add()
    for _ in range(4):
        people.add(Role.MODERATOR, "VPN")
    titles = [f"VPN {number:02} drops" for number in range(15)]
    with ProxiedRedis() as master, RedisServer() as replica, FailoverProxy(master.port) as proxy:
        master.proxy = proxy
        with Redis.from_url(replica.url) as client:
            client.replicaof(HOST, master.port)
        eventually(lambda: is_replicating(replica), what="the replica follows")
        product = Product(
            mongo_uri=mongo.uri_for(db.name), redis=master, slack=slack, directory=tmp_path
        )
        publisher = BackgroundPublisher(CeleryPublisher(celery_for(master.url)))
        try:
            processes = [product.start("worker"), product.start("jobs")]
            for number, title in enumerate(titles):
                if number == 5:
                    master.kill()
                if number == 10:
                    with Redis.from_url(replica.url) as client:
                        client.replicaof("NO", "ONE")
                    proxy.target_port = replica.port
                publisher.publish_ticket(str(file_ticket(tickets, requester, title).id))
            eventually(lambda: is_outbox_empty(db), what="everything is delivered", seconds=120)
            assert all(process.running for process in processes)
        finally:
            publisher.stop()
            product.stop()
    posted = slack.calls_to("chat.postMessage")
    sent = Counter((call.args["channel"], call.args["text"]) for call in posted)
    assert max(sent.values()) == 1
    assert [title for title in titles if not any(title in text for _, text in sent)] == []
    assert db.tickets.count_documents({"assignedTo": None}) == 0
