"""Rules that more than one service's domain needs: pure, values and `now` in, values out."""
