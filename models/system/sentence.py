"""A sentence for people that remembers from what it was made, so that a page can say it in another language."""

from collections.abc import Mapping
from typing import ClassVar


class Sentence(str):
    """English text, equal to any other `str` of these characters wherever it is written, compared or sent.

    Attributes:
        template: with named places, such as "The file has more than {limit} MB."; whoever translates looks this up.
        values: what stands in the places; a `Sentence`, or a list of them, is itself to be translated.
    """

    template: str
    values: dict[str, object]

    def __new__(cls, template: str, /, **values: object) -> "Sentence":
        """The template with its places filled; several sentences in one place are put behind each other with commas."""
        filled = {name: ", ".join(value) if isinstance(value, list) else value for name, value in values.items()}
        made = super().__new__(cls, template.format(**filled))
        made.template = template
        made.values = values
        return made

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, object]]:
        """What a copy, or another process, makes it anew from."""
        return (self.template,), self.values


class CodedError(Exception):
    """An error of which a program is told a stable code and a person a sentence; each kind has a vocabulary of its own.

    Attributes:
        codes: the vocabulary: the template of the sentence by the code.
        code: one of them.
        sentence: what is wrong and what to do.
    """

    codes: ClassVar[Mapping[str, str]]

    def __init__(self, code: str, **values: object) -> None:
        """`values` stand in the places of the template."""
        self.code = code
        self.sentence = Sentence(self.codes[code], **values)
        super().__init__(self.sentence)
