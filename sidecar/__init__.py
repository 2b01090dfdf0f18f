"""Harbor's webhooks for any container registry and chart repository.

client ──► proxy ──► registry (/v2/*)  or chart repository (everything else)
             │ one request with its response = an Exchange
             ▼
         recording ── detectors (pure)     Exchange ⇒ Events
             │     └─ formats (pure)       Event and policy ⇒ payload bytes, encoded once
             ▼
         store                             one transaction stores the deliveries (outbox)
             ▼
         dispatcher ──► target             Delivery ⇒ Attempt ⇒ delivered, retried or given up (queue: when)

The folders, each importing only those below it (.importlinter):

commands    the command line: parses and prints
app         the processes: start, join, stop, reload, metrics, logs
services    the requests of people, each implemented once
config      harbor.yml ⇒ Settings, and the values that each stage is given
admin       the admin listener
proxy       relays, and passes on the exchanges that it observed
dispatcher  sends the stored deliveries
recording   turns exchanges into stored deliveries; read `recording.recorder` first
store       durable state, and all SQL
detectors   exchanges ⇒ events
formats     events ⇒ payloads
policies    which events go to which targets
quota       which refusals are for lack of storage
queue       durable jobs of any kind: claimed when due, tried in order, tried again
parsing     processes that parse untrusted input
upstreams   the sidecar's own requests to the upstreams
charts      Helm charts, read as helm reads them
model       the nouns that travel: names, operation, exchange, event, delivery and others
"""
