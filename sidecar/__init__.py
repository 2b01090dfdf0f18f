"""Harbor's webhooks for any container registry and chart repository.

client ──► proxy ──► registry (/v2/*)  or chart repository (everything else)
             │ one request with its response = an Exchange
             ▼
         recording ── detectors (pure)     Exchange ⇒ Events
             │     └─ formats (pure)       Event and policy ⇒ payload bytes, encoded once
             ▼
         store                             one transaction keeps the deliveries (outbox)
             ▼
         dispatcher ──► target             Delivery ⇒ Attempt ⇒ delivered, retried or given up (queue: when)

The folders, each importing only what stands below it (.importlinter):

commands    the command line: parses and prints
app         the processes: start, join, stop, reload, metrics, logs
services    what people may ask for, each thing once
config      harbor.yml ⇒ Settings, and what each stage is given of them
admin       the admin listener
proxy       relays, and hands over what it saw
dispatcher  delivers what the store keeps
recording   turns what the proxy hands over into stored deliveries; read `recording.recorder` first
store       what is kept, and all SQL
detectors   what happened
formats     how a target is told of it
policies    who wants to hear of which events
quota       which refusals mean lack of room
queue       durable jobs of any kind: claimed when due, tried in order, tried again
parsing     processes that read what strangers wrote
upstreams   the sidecar's own questions to the upstreams
charts      Helm charts, read as helm reads them
model       the nouns that travel: names, operation, exchange, event, delivery and others
"""
