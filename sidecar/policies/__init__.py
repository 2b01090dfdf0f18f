"""Who wants to hear of which events.

policy        projects, webhook policies, and which event a policy wants
target        the targets of policies, with their formats, secrets and certificates
target_marks  how a target is found again after its policy was edited
globs         patterns over the names of repositories and tags
interest      which operations any policy cares about
"""
