"""Customer 360: one governed profile, grade, life-cycle stage and list membership per customer, every night."""

__version__ = "0.1.0"
