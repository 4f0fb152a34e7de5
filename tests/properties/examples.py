"""How many examples a property test takes: few in the default profile, many in the slow one."""

from hypothesis import settings


def examples(*, default, slow):
    """A decorator that sets the number for the profile that pytest was started with."""
    return settings(max_examples=slow if settings.get_current_profile_name() == "slow" else default)
