"""Who did what to which account, from where, and with what outcome."""
