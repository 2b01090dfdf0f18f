"""Requests of people, implemented once for the command line, the management API and its page.

configuration  checks a harbor.yml, one policy, or one target
naming         finds the policy or event type of a given name
policies       the list with what waits for their targets; enables a target
deliveries     the list, and one with its payload and every attempt
redelivery     sends deliveries again: named ones, or all that failed
reencode       encodes deliveries whose template failed before
endpoints      endpoint tests: sends samples to targets and shows their responses
certificate    subject, issuer and expiry of a TLS server's certificate
previews       what targets would be sent
samples        the payloads of sample events for a policy's targets
events         as they are stored
rejections     explains which rule matches an upstream's response
away           targets that are away or disabled
database       the store, opened for one read or one change
shown          the parts of a target that may be shown

Plain values in, plain values out: nothing here prints, ends the program, or knows of a terminal or an HTTP
request. Each result has its `..._document`: the same as JSON with stable keys (new ones may be added), times in
RFC 3339, UTC, and no secrets. Errors have messages for people: `NotFound`, `RequestInvalid`, `StoreUnavailable`.

A function that is not a coroutine may block: on the database (up to 30 s while it is busy), on files, on
templates. An event loop calls it in a thread: `await asyncio.to_thread(list_deliveries, settings, chosen,
limit=50)`. Each call opens the database file by itself, so no two calls share anything.
"""
