"""Churn risk: features of order days, models that learn it, reasons in words."""
