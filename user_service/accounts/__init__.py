"""What happens to an account, whoever asks: rows and events in the caller's transaction."""
