"""Progressive delivery for Linkerd that decides by evidence."""

__version__ = "0.1.0"
