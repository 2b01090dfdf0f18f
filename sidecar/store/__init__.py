"""Deliveries kept until they are delivered; the only stage that knows SQL."""
