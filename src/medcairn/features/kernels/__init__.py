"""Compiled arithmetic: the order of events, exact integer moments, the one finisher. Importing it is slow."""
