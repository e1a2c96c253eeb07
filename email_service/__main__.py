"""`python -m email_service`."""

from email_service.cli import main

main()
