"""Registering: a code by mail, and with it an account that has the registrant's own password."""
