"""Files as advertising platforms and mailing tools want them; pure, from rows to bytes."""
