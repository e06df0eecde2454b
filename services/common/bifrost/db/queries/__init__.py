"""Read queries that two services use: plain functions of a connection, answering frozen dataclasses.

Ages are measured by the database's clock, in seconds. None stands for "no row yet".
"""
