"""What a visitor does on the pages without a browser, and what is to be seen there."""

from streamlit.testing.v1 import AppTest


def html(app: AppTest) -> str:
    """All that the page draws as HTML."""
    return "\n".join(element.value for element in app.get("html"))


def pictures(app: AppTest) -> list[str]:
    """The addresses of the films; an address changes with the picture."""
    return [url for element in app.get("image") for url in element.value]


def upload(app: AppTest, *files: tuple[str, bytes]) -> AppTest:
    app.file_uploader[0].set_value([(name, content, "") for name, content in files])
    return app.run()
