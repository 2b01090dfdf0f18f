"""The sidecar's own questions to the registry and to the chart repository.

client         where an upstream is, and with what it is asked
registry_auth  the registry's challenge, answered
stored_charts  which charts a chart repository has
"""
