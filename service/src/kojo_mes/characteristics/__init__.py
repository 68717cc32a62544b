"""What is checked of a product, and what it is to be."""
