"""Delivery to Attempt to target: sends what the store keeps, and records the results.

Imports the nouns and the store. The registry never waits for anything in here.

dispatcher         a loop for every target that has work
target_loop        the deliveries of one target: claim, attempt, record
target_registry    what the configuration says of each target
repository_queues  the claimed deliveries of one target, by repository
window             how many attempts one target may have under way
schedule           when a delivery is tried again
circuit_breaker    when a target is away, and when it is back
absences           targets that are away, noted in the store
reporting          logs and counts each attempt
attempt            one POST of one delivery
request            what every attempt at one target has in common
signing            signatures over the body
excerpt            the beginning of a target's answer, fit to be kept
connections        connections to targets, used again
http1              one HTTP/1.1 connection
oddhead            heads of answers that are not quite HTTP
egress             which addresses webhooks may be sent to
proxies            which proxy the environment names for an address
resolver           names to addresses
"""
