"""`make demo`: many people register at once at a running stack, and every mail is counted."""
