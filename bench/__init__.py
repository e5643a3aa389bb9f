"""Scripts that measure the product; none of them is a test."""
