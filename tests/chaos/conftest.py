"""A PostgreSQL server for the tests that torment one."""

from tests.store.conftest import postgresql_url, server

__all__ = ["postgresql_url", "server"]
