"""What people may ask for, once for the command line, the management API and its page.

configuration  may this be used: a harbor.yml, one policy, one target
naming         what people call a policy, an event type => which one is meant
policies       which there are, what waits for their targets; use a target again
deliveries     the list, and one with its payload and every attempt
redelivery     send again: named ones, or all that failed
reencode       makes bodies again that could not be made before
endpoints      send samples to targets now, and say how they answer
certificate    who a TLS server says it is
previews       what targets would be sent
samples        the payloads of sample events for a policy's targets
events         as they are stored
rejections     which rule takes an upstream's answer
away           targets that get nothing for now
database       the store, opened for one question or one change
shown          what may be shown of a target

Plain values in, plain values out: nothing here prints, ends the program or knows a terminal or a request. Each
answer has its `..._document`: the same as JSON, whose keys stay as they are (new ones may come), with times in
RFC 3339, UTC, and nothing secret. What
cannot be done is raised in words for people: `NotFound`, `RequestInvalid`, `StoreUnavailable`.

A function that is no coroutine may block: on the database (up to 30 s while it is busy), on files, on
templates. An event loop calls it in a thread, as `await asyncio.to_thread(list_deliveries, settings, chosen,
limit=50)`. Each opens the database beside the running sidecar for itself, so no two calls share anything.
"""
