"""The act of the directive: one order from the city's desk to every post of the street, and back."""
