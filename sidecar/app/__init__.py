"""The processes: how they start, connect the stages, reload and stop.

process      one process, from its start to its end: read this first
parts        what a process consists of, started and ended in order
wiring       settings of harbor.yml => what each stage is given of them
stages       connects the stages, from the request to the stored delivery
listening    the two listeners
workers      further processes that relay and record
lease        the lease of the process's run
dispatching  the dispatcher, in the main process
background   periodic work of the main process
figures      figures of the store, for the metrics
readiness    the checks of /readyz
reload       a changed harbor.yml in a running process
starting     resources that are needed at the start, and the messages when they are unavailable
supervision  keeps background work running
metrics      the metrics, for Prometheus
logs         log lines in JSON, without secrets
"""
