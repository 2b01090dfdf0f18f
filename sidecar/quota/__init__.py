"""What an upstream's refusal for lack of room looks like: rules as data, and how they are read. Pure.

rules  the form of a rule, and what it finds in an answer
known  the rules of known servers
words  what an upstream says when it refuses
"""
