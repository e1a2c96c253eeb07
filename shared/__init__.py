"""Contracts and plumbing that both services stand on; imports neither of them."""
