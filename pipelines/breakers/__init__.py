"""Circuit breakers: what is usual, and what of tonight is too far from it."""
