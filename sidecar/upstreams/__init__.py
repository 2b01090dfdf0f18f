"""The sidecar's own requests to the registry and to the chart repository.

client         address and login of an upstream
registry_auth  answers the registry's challenge
stored_charts  which charts a chart repository has
"""
