"""The commands of `sidecar`, one file each; cli knows their names and imports the one that is asked for.

They parse what was asked and print what `services` answer; what is done stands there. They work beside a running
sidecar, on the same harbor.yml and the same database file. What people read goes to standard output as plain
text; `--json` is for scripts. Exit status: 0 done, 1 not found, not delivered or no database, 2 the
configuration or the command line cannot be used.
"""
