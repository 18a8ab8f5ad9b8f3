"""One file for each kind of destination."""
