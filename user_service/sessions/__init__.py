"""Keeping sessions alive, looking at them, and ending them."""
