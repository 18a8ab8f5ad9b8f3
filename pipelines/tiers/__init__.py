"""Grades and VIP bands: measured against frozen edges, moved by a policy, kept as a history."""
