"""How the answers of real servers to writes that they refuse are recorded (tests/golden/refusals).

python -m tests.support.refusals      asks all servers again and writes the files anew
"""
