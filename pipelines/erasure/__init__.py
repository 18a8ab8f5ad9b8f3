"""Takes a person out of all that is kept, and what is too old out of what need not be."""
