"""Who wants to hear of which events.

policy    projects, webhook policies and their targets, and which event a policy wants
interest  which operations any policy cares about
"""
