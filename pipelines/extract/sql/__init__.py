"""PostgreSQL and MySQL, through the scanners of DuckDB."""
