"""Brings what a source delivered into `raw/`, as received. One module for each kind of source."""
