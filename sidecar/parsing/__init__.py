"""Reads what strangers wrote, in processes of its own with hard limits.

    pool (in the relay's process) ──pipe──► process ──► kinds

A thread shares the interpreter and so is not off the event loop; a process is, and can be ended in the
middle of any line of C. `kinds` is the table of what can be read; `pool` keeps the processes. Nothing is
imported here: a process is to start at once.
"""
