"""Parses untrusted input, in processes of its own with hard limits.

    pool (in the relay's process) ──pipe──► process ──► kinds

A thread would share the interpreter with the event loop; a process does not, and can be killed in the
middle of C code. Nothing is imported here, so that a process starts fast.

pool     keeps a few processes, and hands each one job at a time
process  the parser process
kinds    the table of what can be parsed
"""
