"""PostgreSQL passes the suite, and a store survives its server's absence."""

from contextlib import contextmanager

import psycopg
import pytest

from ablate.errors import RequestError, StorageError, Unavailable
from ablate.spec import Direction
from ablate.store import Store
from ablate.testing.batches import whole
from ablate.testing.storage import HOLDER, StorageSuite, python, recorded


@pytest.fixture
def url(postgresql_url):
    return postgresql_url


@contextmanager
def stopped(server):
    """Stop the server for a while."""
    server.stop()
    try:
        yield
    finally:
        server.start()


def terminate_all_but_me(url):
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )


class TestPostgresql(StorageSuite):
    def test_a_stopped_server_is_unavailable_and_the_store_goes_on_when_it_is_back(
        self, store, definition, server
    ):
        store.write(whole(definition, 0))
        with stopped(server):
            for use in (
                lambda: store.write(whole(definition, 1)),
                lambda: store.runs("s"),
                lambda: store.trials("s"),
                lambda: store.past("s"),
                lambda: store.create_study("s", Direction.MINIMIZE, "val_loss"),
                lambda: store.lock("s").__enter__(),
            ):
                with pytest.raises(Unavailable, match="try again"):
                    use()
        store.write(whole(definition, 1))
        assert [row["state"] for row in recorded(store, "s")[0]] == ["COMPLETE"] * 2

    def test_opening_a_stopped_server_is_unavailable(self, url, server):
        with stopped(server), pytest.raises(Unavailable):
            Store.open(url, create=True)

    def test_a_database_that_does_not_exist_will_not_come_by_waiting(self, server):
        with pytest.raises(StorageError, match="does not exist") as caught:
            Store.open(server.get_uri(database="nope"), create=True)
        assert not isinstance(caught.value, Unavailable)

    def test_a_lock_is_taken_again_when_the_server_is_back(self, url, store, definition, server):
        with store.lock("s"):
            with stopped(server), pytest.raises(Unavailable):
                store.write(whole(definition, 0))
            store.write(whole(definition, 0))
            with Store.open(url, create=False) as other, pytest.raises(RequestError):
                other.lock("s").__enter__()

    def test_a_lock_that_another_process_took_meanwhile_ends_the_writing(
        self, url, store, definition
    ):
        with store.lock("s"):
            terminate_all_but_me(url)
            holder = python(HOLDER, url, "s")
            assert holder.stdout.readline() == "locked\n"
            with pytest.raises(StorageError, match=f"took it: .*process {holder.pid}"):
                store.write(whole(definition, 0))
            holder.communicate("")
            store.write(whole(definition, 0))
        assert len(store.past("s")) == 1

    def test_a_connection_cut_by_the_server_is_replaced(self, url, store, definition):
        store.write(whole(definition, 0))
        terminate_all_but_me(url)
        store.write(whole(definition, 1))
        assert len(store.past("s")) == 2
