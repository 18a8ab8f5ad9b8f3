"""Brings released lists to other systems: what is new there, what is gone, and nothing twice."""
