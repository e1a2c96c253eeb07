"""Recovering an account: whoever reads its mailbox may set another password."""
