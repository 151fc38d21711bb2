"""Experiments of the book that take longer than a chapter may: each module is a script that writes data/results."""
