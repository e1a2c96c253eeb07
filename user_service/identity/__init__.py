"""Who somebody is: accounts, sessions, passwords, tokens and one-time codes."""
