"""The write side: from a request to rows. Knows no users and imports nothing of `reports`."""
