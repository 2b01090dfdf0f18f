"""`make run`: the whole thing on this machine, with real parts and without the internet."""
