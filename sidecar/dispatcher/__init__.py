"""Delivery to Attempt to target: sends what the store keeps, and says how it went.

Imports the nouns and the store. The registry never waits for anything in here.
"""
