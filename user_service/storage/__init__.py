"""Postgres and Redis as this service uses them: bounded waits, one breaker each."""
