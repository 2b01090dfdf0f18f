"""The processes: how they start, are joined of the stages, reload and stop.

process      everything of one process: read this first
workers      further processes that relay and record
reload       a changed harbor.yml in a running process
starting     what must be had before anything is served, and the words when it cannot be had
supervision  keeps running what goes on beside requests
metrics      what is counted, for Prometheus
logs         JSON lines, without secrets
"""
