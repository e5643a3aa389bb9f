"""The SQL behind the writer, one file a table. All of it runs inside the writer's transaction."""
