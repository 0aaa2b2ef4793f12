"""Telling prose, and clinical notes, from the other long texts that machines write."""

from __future__ import annotations

import re

from medcairn.phi.words import vocabulary

_FEWEST_WORDS = 25
_MOST_WORDS = 2000
_WORD_SHARE = 0.65
_GRAMMAR_SHARE = 0.15
_FEWEST_PHRASES = 3
_PLAIN_WORD = re.compile(r"[\"'“(\[*_]{0,3}([^\W\d_]+(?:[’'/-][^\W\d_]+)*)[.,;:!?)\]\"'”*_]{0,3}\Z")
_PARAGRAPH = re.compile(r"(?:[ \t]*\r?\n){2,}")


def is_prose(text: str) -> bool:
    """Whether a text is written for people: words between blanks, enough of them words of grammar.

    JSON, code, lists of parameters and paths have the first without the second, or neither. Scripts that
    put no blanks between words are prose when they are most of the text.
    """
    marks = text[:20_000].split(None, _MOST_WORDS)[:_MOST_WORDS]
    words = [match[1].casefold() for match in map(_PLAIN_WORD.match, marks) if match]
    if len(words) >= _FEWEST_WORDS and len(words) >= _WORD_SHARE * len(marks):
        grammar = vocabulary().grammar
        return sum(word in grammar for word in words) >= _GRAMMAR_SHARE * len(words)
    return _without_blanks(text[:5_000])


def _without_blanks(text: str) -> bool:
    """Whether most of a text is in a script beyond Latin, Greek and Cyrillic."""
    return sum(mark > "\u0590" and mark.isalpha() for mark in text) > len(text) / 2


def is_note(text: str) -> bool:
    """Whether a text holds three different phrases of clinical notes."""
    phrases: set[str] = set()
    for match in vocabulary().narrative.finditer(text.casefold()):
        phrases.add(match[0])
        if len(phrases) >= _FEWEST_PHRASES:
            return True
    return False


def paragraphs(text: str) -> list[str]:
    """The parts of a text between empty lines."""
    return _PARAGRAPH.split(text)


__all__ = ["is_note", "is_prose", "paragraphs"]
