"""Helm charts: parses uploads as helm and ChartMuseum do. Pure.

form       the parts of a form upload
archive    the files of a packed chart
goyaml     YAML as Go reads it
chartfile  Chart.yaml: name, version, type
index      ChartMuseum's index
"""
