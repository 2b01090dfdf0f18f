"""Harbor's webhooks for any container registry and chart repository.

client ──► proxy ──► registry (/v2/*)  or chart repository (everything else)
             │ one request with its response = an Exchange
             ▼
         detectors (pure)          Exchange ⇒ Event
             ▼
         formats (pure)            Event and policy ⇒ payload bytes, encoded once
             ▼
         store                     one transaction keeps the deliveries (outbox)
             ▼
         dispatcher ──► target     Delivery ⇒ Attempt ⇒ delivered, retried or given up

The folders are these stages, the files beside them the nouns that travel. Read `pipeline` first.
"""
