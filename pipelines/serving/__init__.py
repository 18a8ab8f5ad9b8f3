"""The released marts in PostgreSQL, for BI tools that ask a database."""
