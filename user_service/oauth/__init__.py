"""What the token standards define, answered in their own shapes."""
