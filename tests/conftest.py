"""What holds for every tier."""

from hypothesis import settings

# Machines that run tests are busy: an example that takes long once is not a fault. pytest-timeout ends
# what hangs.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")
