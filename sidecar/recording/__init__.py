"""Turns exchanges from the proxy into events, and events into stored deliveries.

recorder        one exchange: detected, encoded, stored. Read this first
admission       decides whether a write may be forwarded
fan_out         the decision that is written: events with their deliveries, and changes
traffic         blobs and uploads that go by, noted once in a while
refusals        state of refused pushes between their requests
reconciler      operations whose response was never recorded
upstream_state  what the upstream's state says about them
clock           adjusts stored times when the clock was set
"""
