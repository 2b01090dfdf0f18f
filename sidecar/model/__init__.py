"""The nouns that travel between the stages: frozen values, pure, without I/O, clock or chance.

names      repositories, tags, digests, references
operation  what a request asks for, in the registry's terms
upload     what the head of a blob write says of the blob
admission  whether a write may be forwarded: the question and its answers
manifest   what a manifest says
encodings  bodies without their content-encoding
exchange   one request with its response; intent, refusal, facts
memory     what is remembered between exchanges
event      what happened, in Harbor's terms; the one table of event types
scan       what a scanner found
delivery   one event for one target, and what was tried
secrets    values that are never shown, and texts without them
gojson     JSON as registries read it
errors     what can go wrong, by name
"""
