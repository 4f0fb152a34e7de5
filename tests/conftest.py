"""Profiles of hypothesis: `default` is the same in every run; `slow` looks at very many more examples.

``pytest --hypothesis-profile slow tests/properties``, or HYPOTHESIS_PROFILE=slow, takes the second: an hour of a core.
How many examples a test takes in each is said where the test is (`tests.properties.examples`). What fails is shown as
it was drawn: to make a network smaller takes hundreds of builds.
"""

import os

from hypothesis import HealthCheck, Phase, settings

ALIKE = {"deadline": None, "database": None, "derandomize": True, "print_blob": False, "phases": [Phase.generate]}
settings.register_profile("default", **ALIKE, suppress_health_check=list(HealthCheck))
settings.register_profile("slow", parent=settings.get_profile("default"))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
