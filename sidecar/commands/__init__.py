"""The commands of `sidecar`, a file for each.

They parse what was asked and print what `services` answer; what is done stands there. They work beside a running
sidecar, on the same harbor.yml and the same database file. What people read goes to standard output as plain
text; `--json` is for scripts. Exit status: 0 done, 1 not found, not delivered or no database, 2 the
configuration or the command line cannot be used.

cli                which commands there are; imports the one that is asked for
serve              run in the foreground
check              what a configuration means, or what is wrong with it
policies           who hears of what, what waits for them, when they last heard
preview            what the targets of a policy would receive
test_endpoint      what a target answers to sample events
deliveries         the list, and one with all that is known of it
redeliver          send again
enable_target      try a target again that answered 410 Gone
tail               events as they are stored
explain_rejection  which rule takes an upstream's answer
common             options and errors that commands share
away               words for targets that are left alone
times              words for moments
text               plain text as wide as the terminal, and harmless to it
"""
