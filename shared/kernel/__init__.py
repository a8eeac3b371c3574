"""What every other part may lean on: codes, ids, time and errors, from the standard library only."""
