"""Logging in: a password opens a session and gets an access token."""
