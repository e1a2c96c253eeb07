"""What people read about themselves, and what they change or give up of it."""
