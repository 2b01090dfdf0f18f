"""What an upstream's refusal for lack of storage looks like: rules as data, and how they are read. Pure.

rules  the form of a rule, and how it matches a response
known  the rules of known servers
words  reads the text of a refusal
"""
