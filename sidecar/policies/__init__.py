"""Which events go to which targets.

policy        projects, webhook policies, and which events a policy subscribes to
target        the targets of policies, with their formats, secrets and certificates
target_ids    by what a target is told from the others of its policy
signing_keys  the keys of a target's signing secret
egress_rules  the addresses that they may have
globs         patterns over the names of repositories and tags
interest      which operations any policy is interested in
"""
