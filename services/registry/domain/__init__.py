"""The rules of the chain of command: pure, and knowing posts, levels and spans only as scheme data."""
