"""The act of the round: every household of the street visited, counted beside the services, and closed."""
