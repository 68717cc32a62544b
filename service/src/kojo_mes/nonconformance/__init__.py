"""What does not conform: found, held, disposed of."""
