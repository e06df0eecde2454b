"""The launcher behind `make run`: the whole desk as local processes, without Docker. Imports no service."""
