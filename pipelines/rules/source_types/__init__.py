"""What `sources.yml` may say of each type of source, and which secrets it needs."""
