"""Telling prose, and clinical notes, from the other long texts that machines write."""

from __future__ import annotations

import re
from itertools import pairwise

from medcairn.phi.words import vocabulary

_FEWEST_WORDS = 25
_MOST_WORDS = 2000
_WORD_SHARE = 0.65
_GRAMMAR_SHARE = 0.15
_FEWEST_PHRASES = 3
_FEWEST_SENTENCES = 4
_PLAIN_WORD = re.compile(r"[\"'“(\[*_]{0,3}([^\W\d_]+(?:[’'/-][^\W\d_]+)*)[.,;:!?)\]\"'”*_]{0,3}\Z")
_PARAGRAPH = re.compile(r"\r?\n(?=[ \t]{0,12}(?:\r?\n|[-*+#|>•]|[0-9]{1,3}[.)] ))")


def is_prose(text: str) -> bool:
    """Whether a text is written for people: words between blanks, with words of grammar or in sentences.

    JSON, code, lists of parameters and paths have the first without the others, or none. Scripts that
    put no blanks between words are prose when they are most of the text.
    """
    marks = text[:20_000].split(None, _MOST_WORDS)[:_MOST_WORDS]
    words = [match[1].casefold() for match in map(_PLAIN_WORD.match, marks) if match]
    if len(words) >= _FEWEST_WORDS and len(words) >= _WORD_SHARE * len(marks):
        grammar = vocabulary().grammar
        if sum(word in grammar for word in words) >= _GRAMMAR_SHARE * len(words):
            return True
        return sum(_sentence_ends(a, b) for a, b in pairwise(marks)) >= _FEWEST_SENTENCES
    return _without_blanks(text[:5_000])


def _sentence_ends(mark: str, following: str) -> bool:
    return mark[-1] in ".?!" and mark[:-1].isalpha() and following[0].isupper()


def _without_blanks(text: str) -> bool:
    """Whether most of a text is in a script beyond Latin, Greek and Cyrillic."""
    return sum(mark > "\u0590" and mark.isalpha() for mark in text) > len(text) / 2


def is_note(text: str) -> bool:
    """Whether a text holds three different phrases of clinical notes."""
    small = text.casefold()
    found = 0
    for phrase, pattern in vocabulary().narrative:
        if phrase in small and pattern.search(small):
            found += 1
            if found >= _FEWEST_PHRASES:
                return True
    return False


def paragraphs(text: str) -> list[str]:
    """The parts of a text between empty lines, headings, items of lists and rows of tables."""
    return _PARAGRAPH.split(text)


__all__ = ["is_note", "is_prose", "paragraphs"]
