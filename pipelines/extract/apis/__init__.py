"""One file for each vendor's API: how it is asked, and what its records mean.

The field maps are the YAML beside them.
"""
