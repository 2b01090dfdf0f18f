"""Reads what strangers wrote, in processes of its own with hard limits.

    pool (in the relay's process) ──pipe──► process ──► kinds

A thread shares the interpreter and so is not off the event loop; a process is, and can be ended in the
middle of any line of C. Nothing is imported here: a process is to start at once.

pool     keeps a few processes, and hands each one job at a time
process  the process that reads
kinds    the table of what can be read
"""
