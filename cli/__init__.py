"""The `gridloop` command: the local stack, and what a person does with it from a shell."""
