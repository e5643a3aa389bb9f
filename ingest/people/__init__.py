"""One person's data on one site: found, handed out, erased. Nothing here writes down who was asked for."""
