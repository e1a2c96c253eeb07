"""Bringing users along from another system, out of a file of any size."""
