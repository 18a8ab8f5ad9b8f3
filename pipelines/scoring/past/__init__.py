"""Past days seen again: snapshots, seasons, metrics, and the back-test that chooses models."""
