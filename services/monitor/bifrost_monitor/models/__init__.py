"""The contract of the API, typed: the OpenAPI document is made of these models and nothing else.

Answers are built as plain dictionaries and sent without a second validation: GET /status is asked for all day, and the
tests compare what is sent with the document.
"""
