"""What `make run` and the tests start where no URL names a real one; no service imports it."""
