"""Deliveries kept until they are delivered; the only stage that knows SQL.

store           the store as the recorder sees it
snapshots       what is remembered of a scope, in one statement
parts           what such a statement is made of
decisions       what was decided for an exchange, written
tags            what tags name
manifests       what is remembered of manifests
runs            leases of processes
outbox          the queue of deliveries
policy_targets  which targets each policy had when the configuration was last applied
reservations    room for writes that are under way
claims          a delivery from its claim to what became of it
pruning         deliveries that are forgotten
schema          the tables
statement       SQL that is written once for SQLite and PostgreSQL
engines         what the two spell differently
sqlite          one SQLite file: a writer thread that commits in groups, readers apart
units           what the writer runs
writer          the thread that writes: what has arrived, in groups
pending         units that wait in memory for the store to come back
open_file       the connection that writes
readers         threads that read
health          whether the store can be written
batching        many small units made one
file            the database file: made, opened, put aside when it is damaged
faults          what is wrong with it, in words
lock            one sidecar for each data folder
offline         the file as another process sees it
records         events, intents and manifests as JSON documents
events          events and their deliveries into the tables
held            events that wait
intents         write operations that are under way
repositories    when they were first seen, and last uploaded to
rows            rows that cannot be read
traces          what clients did a moment ago
refused_pushes  pushes that were refused and may go on
figures         how much waits
clock           times that lie in the future because the clock was set back
away            targets that are left alone for a while
disabled        targets that answered 410 Gone
history         the store as people ask about it
redelivery      a delivery goes back to the queue
"""
