"""Typing whole columns at once: of the resources that look like ones before. Importing it is slow."""
