"""Sentences as JSON, and back: with their templates, so that whoever reads them later has them in their own language."""

from models.system.sentence import Sentence

Json = str | float | dict[str, "Json"] | list["Json"]


def sentence_json(value: object) -> Json:
    """A sentence, or what stands in the places of one."""
    if isinstance(value, Sentence):
        return {"template": value.template, "values": {name: sentence_json(one) for name, one in value.values.items()}}
    if isinstance(value, list):
        return [sentence_json(one) for one in value]
    return value if isinstance(value, int | float) else str(value)


def read_sentence(value: Json) -> object:
    """What `sentence_json` wrote."""
    if isinstance(value, dict):
        return Sentence(str(value["template"]), **{name: read_sentence(one) for name, one in value["values"].items()})
    return [read_sentence(one) for one in value] if isinstance(value, list) else value
