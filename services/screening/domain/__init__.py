"""The rules of rounds: pure, values and `now` in, values out."""
