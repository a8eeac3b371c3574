"""What each consumer group does with its records: load, rule, derive. Flow alone calls them."""
