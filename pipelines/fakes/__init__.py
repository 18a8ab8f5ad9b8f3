"""Stand-ins for the vendors' APIs: stateful, with their paging, tokens, limits and error bodies.

Written by us from public documentation, for the tests, the demo and `docker compose`. They answer
what the vendors answer; whose answers are unverified is said in each file.
"""
