"""Predicted value and churn risk: pure functions from frames to frames."""
