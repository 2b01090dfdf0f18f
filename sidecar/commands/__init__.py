"""The commands of `sidecar`, a file for each.

They parse arguments, call `services` and print the results. They work while a sidecar is running, on the same
harbor.yml and the same database file. Text for people goes to standard output;
`--json` is for scripts. Exit status: 0 done, 1 not found, not delivered or no database, 2 the
configuration or the command line cannot be used.

cli                the list of commands; imports the one that is called
serve              run in the foreground
check              what a configuration means, or what is wrong with it
policies           policies and targets, what waits for them, when each was last triggered
preview            what the targets of a policy would receive
test_endpoint      how a target responds to sample events
deliveries         the list, and one in full detail
redeliver          send again
enable_target      try a target again that answered 410 Gone
tail               events as they are stored
explain_rejection  which rule matches an upstream's response
common             options and errors that commands share
away               text about targets that are away
times              parsing of times
text               plain text as wide as the terminal, without control characters
"""
