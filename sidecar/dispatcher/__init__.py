"""Delivery to Attempt to target: sends what the store keeps, and records the results.

Imports the nouns, the queue and the store. The registry never waits for anything in here.

dispatcher         joins what is below; starts and stops it
target_work        one delivery to one target: attempt, decide, record, report
target_registry    what the configuration says of each target
disabled           targets that answered 410 Gone: a snapshot of the store's list
corrected_targets  what is stored for targets whose address or id was corrected
decision           what becomes of a delivery after an attempt
away               targets that are away, noted in the store
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
