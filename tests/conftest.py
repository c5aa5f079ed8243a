"""What every test shares: how hypothesis searches."""

import os

from hypothesis import settings

# No deadline in either profile: a busy machine must not turn a green test red.
settings.register_profile("dev", deadline=None)
# In CI the same commit must give the same answer, so the examples are not random.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
