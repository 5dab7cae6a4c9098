"""Forms with files: the fields and the files of a multipart body. Source: RFC 7578."""

from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import Field, File, FormParser, parse_options_header

from zerog.testing.scripted.answers import InvalidRequestError

__all__ = ["Form", "read_form"]


@dataclass(slots=True)
class Form:
    """What a form holds; of two of one name the later."""

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)

    def file(self, *names: str) -> bytes:
        """The first file of one of `names`. Raises `InvalidRequestError`."""
        for name in names:
            if self.files.get(name):
                return self.files[name]
        raise InvalidRequestError(f"{names[0]} is a file, and is missing or empty")


def read_form(body: bytes, content_type: str) -> Form:
    """Read a whole body. Raises `InvalidRequestError`."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise InvalidRequestError("this route takes multipart/form-data")
    form = Form()

    def keep_field(part: Field) -> None:
        form.fields[(part.field_name or b"").decode(errors="replace")] = (part.value or b"").decode(errors="replace")

    def keep_file(part: File) -> None:
        stream = part.file_object
        stream.seek(0)
        form.files[(part.field_name or b"").decode(errors="replace")] = stream.read()
        part.close()

    in_memory = {"MAX_MEMORY_FILE_SIZE": len(body) + 1}
    parser = FormParser("multipart/form-data", keep_field, keep_file, boundary=boundary, config=in_memory)
    try:
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise InvalidRequestError(f"the form cannot be read: {error}") from error
    return form
