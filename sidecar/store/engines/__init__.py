"""What SQLite and PostgreSQL spell differently.

interface        what a statement may ask of an engine
sqlite           SQLite's spellings
sqlite_rows      rows whose values have types of their own, which only SQLite has
postgres         PostgreSQL's spellings
postgres_schema  its tables
"""
