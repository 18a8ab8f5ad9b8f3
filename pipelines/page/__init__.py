"""The report of a release, as one page: frames go in, HTML comes out. Nothing here reads the lake."""
