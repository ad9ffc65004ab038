"""Write docs/messages.md: `make messages`."""

from tests.messages.document import DOCUMENT, document

if __name__ == "__main__":
    DOCUMENT.write_text(document())
