"""Customer 360: every night, one governed profile, grade, stage and list membership each."""

__version__ = "0.1.0"
