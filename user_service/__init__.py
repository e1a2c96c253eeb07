"""The user service: registration, login and profile over HTTP."""
