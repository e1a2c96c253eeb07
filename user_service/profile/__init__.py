"""What a logged-in person reads about themselves."""
