"""Lends the servers to the tests beside this."""

import pytest

pytest.register_assert_rewrite("sql_servers")

from sql_servers import (  # noqa: E402, F401 - fixtures are found by name
    mysql,
    mysql_server,
    postgres,
    postgres_server,
    read,
    read_mysql,
    read_postgres,
    shop,
    small_parts,
    unsigned,
)
