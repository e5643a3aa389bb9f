"""The read side: from a question to figures, pages and exports; members and their rights."""
