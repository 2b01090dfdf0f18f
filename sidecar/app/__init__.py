"""The processes: how they start, are joined of the stages, reload and stop.

process      one process, from its start to its end: read this first
parts        what a process consists of, started and ended in order
stages       from the request to the stored delivery, joined
listening    the two listeners
workers      further processes that relay and record
lease        the lease of the process's run
dispatching  the dispatcher, in the main process
background   what comes round beside requests and deliveries
figures      what waits in the store, for the metrics
readiness    what is asked before traffic may come
reload       a changed harbor.yml in a running process
starting     what must be had before anything is served, and the words when it cannot be had
supervision  keeps running what goes on beside requests
metrics      what is counted, for Prometheus
logs         JSON lines, without secrets
"""
