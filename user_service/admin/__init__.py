"""What administrators see and do, by HTTP and on the command line."""
