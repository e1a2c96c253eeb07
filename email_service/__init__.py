"""Turns what the user service asks for on Kafka into mail, once, and before it is too late."""
