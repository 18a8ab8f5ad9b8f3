"""What to recommend to each customer next."""
