"""The commands that speak to a service, and the one that looks after an installation.

`app/cli.py` has their command lines; what they do is here, and is imported when one of them runs.
"""
