"""What the proxy hands over becomes events, and events become stored deliveries.

recorder    one exchange: detected, encoded, stored. Read this first
admission   what may stop a write before it is forwarded
fan_out     what was detected, with the deliveries of its events: all that is written
refusals    refused pushes between their requests
reconciler  operations whose answer was never recorded
clock       what is stored follows a clock that was set
"""
