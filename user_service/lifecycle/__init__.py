"""What other services' events do to an account: its name and its status, and nothing else."""
