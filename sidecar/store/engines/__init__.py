"""What SQLite and PostgreSQL spell differently.

interface   what a statement may ask of an engine
sqlite      SQLite's spellings
postgres    PostgreSQL's
postgres_schema  its tables
"""
