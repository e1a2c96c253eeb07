"""`python -m user_service`."""

from user_service.cli import main

main()
