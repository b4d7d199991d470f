"""What holds for all tests."""

from hypothesis import HealthCheck, settings

# A busy machine is slow, not wrong: pytest's own timeout bounds every test.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("here")
