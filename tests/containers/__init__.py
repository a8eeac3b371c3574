"""docker-compose.yml run for real: built, started, used, scaled, killed in part, counted again, taken down.

`make containers`, or `python -m tests.containers`. Not part of `make test`: it needs a Docker daemon, the
compose plugin, and images that can be pulled or were made by deploy/standins.
"""
