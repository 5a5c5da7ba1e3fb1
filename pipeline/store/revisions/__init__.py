"""What changed from each version of the tables to the next, as revisions of alembic.

The file `to_N` leads to version N. New tables and their indexes are made afterwards, from `schema`.
PostgreSQL has been there since version 17, so earlier revisions are for SQLite alone.
"""
