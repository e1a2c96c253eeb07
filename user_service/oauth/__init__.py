"""Tokens for other services, in the shapes of the RFCs."""
