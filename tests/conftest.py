"""What every test shares."""

from hypothesis import settings

# The machines that run this are shared: a slow example is no failure.
settings.register_profile("medcairn", deadline=None)
settings.load_profile("medcairn")
