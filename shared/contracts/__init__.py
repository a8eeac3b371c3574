"""The only vocabulary services share: one module per owner with its models and topics.

`catalog.TOPICS` lists every topic; dead-letter topics, schemas and documents are generated from it.
"""
