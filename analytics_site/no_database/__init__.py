"""The database backend while no PostgreSQL is known: commands that need none work, others say what to do."""
