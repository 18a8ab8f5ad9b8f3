"""Lists of customers: conditions read as data, who may be written to, and why each is there."""
