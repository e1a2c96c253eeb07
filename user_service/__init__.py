"""The user service: registration, login and profile over HTTP."""

__version__ = "0.1.0"
