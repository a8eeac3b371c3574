"""A decision at a gate: the real checkpoint service beside a bare handler, asked at a fixed rate.

`place` is the street with its gates and passes, `generator` asks from a process of its own, `bare` is what an
answer costs that decides nothing, `passage` is one row of questions with what must be true after it, `costs`
are memory and verification, `run` puts them together.
"""
