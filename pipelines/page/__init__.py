"""The report of a release as one page: frames go in, HTML comes out; nothing reads the lake."""
