"""`make run`: a demonstration on this machine, with real servers and without the internet."""
