"""The nouns that travel between the stages: frozen values, pure, without I/O, clock or chance.

names, operation, manifest   what a request is about, in the registry's terms
exchange                     one request with its response; intent, refusal, what was looked up
memory                       what is remembered between exchanges
event                        what happened, in Harbor's terms; the one table of event types
scan                         what a scanner found
delivery                     one event for one target, and what was tried
secrets                      values that are never shown, and texts without them
gojson                       JSON as registries read it
errors                       what can go wrong, by name
"""
