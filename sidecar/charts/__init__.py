"""Helm charts: what an upload contains, read as helm and ChartMuseum read it. Pure.

form       the parts of a form upload
archive    the files of a packed chart
goyaml     YAML as Go reads it
chartfile  Chart.yaml: name, version, type
index      ChartMuseum's index
"""
