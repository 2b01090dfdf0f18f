"""The nouns that travel between the stages: frozen values, pure, without I/O, clock or randomness.

names          repositories, tags, digests, references
operation      what a request asks for, in the registry's terms
upload         digest, sizes and mount source in the head of a blob write
admission      whether a write may be forwarded: the question and its answers
manifest       the content of a manifest
encodings      bodies without their content-encoding
exchange       one request with its response; intent, refusal, facts
memory         what is remembered between exchanges, and the part of it that an exchange needs
changes        what is remembered and forgotten after an exchange, and all that is written for it
event          what happened, in Harbor's terms; the one table of event types
scan           the result of a scan
delivery       one event for one target, and its attempts
secrets        values that are never shown, and masking of texts
gojson         JSON as registries read it
errors         the exceptions of this program
defaults       what holds where harbor.yml does not say otherwise
client_limits  what clients may take of one process
"""
