"""The ways a mail can leave the house."""
