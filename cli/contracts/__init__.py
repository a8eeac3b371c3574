"""The contracts as partners see them: generated documents, and the gate that keeps their promises."""
