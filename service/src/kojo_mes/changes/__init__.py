"""Change requests: asked for, approved by two people in two roles, used once."""
