"""Models of when customers order again, stay, and what they spend; arrays in, arrays out."""
