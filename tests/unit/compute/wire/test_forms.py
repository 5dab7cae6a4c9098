"""Forms: written in one way and read in no other."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zerog.compute.wire.forms import FormError, FormFile, boundary_of, encode_form, form_type, read_fields

BOUNDARY = "0123456789abcdef"
names = st.text(st.characters(codec="utf-8", exclude_characters='"%\r\n'), min_size=1, max_size=20)


@given(st.dictionaries(names, st.text(max_size=50), max_size=4), st.binary(max_size=100))
def test_what_was_written_is_read_again(fields: dict[str, str], content: bytes) -> None:
    body, content_type = encode_form(fields, {"file": FormFile("a.wav", content, "audio/wav")}, boundary=BOUNDARY)
    assert read_fields(body, content_type) == {name: value.encode() for name, value in fields.items()}


def test_forms_of_other_clients_are_read() -> None:
    request = httpx.Request("POST", "http://x", data={"model": "m", "n": "2"}, files={"image": ("tree.png", b"\x89PNG", "image/png")})
    request.read()
    content_type = form_type(boundary_of(request.headers["content-type"]))
    assert read_fields(request.content, content_type) == {"model": b"m", "n": b"2"}
    types = ['multipart/form-data; boundary="a b"', "multipart/form-data", "application/json; boundary=x"]
    for told in (*types, "multipart/form-data; boundary=a; boundary=b"):
        with pytest.raises(FormError):
            boundary_of(told)
    assert boundary_of('Multipart/Form-Data; charset=utf-8; Boundary="x"') == "x"


def test_what_is_not_such_a_form_is_refused() -> None:
    body, content_type = encode_form({"model": "m"}, {"file": FormFile("a", b"sound")}, boundary=BOUNDARY)
    others = [
        (body, content_type.upper()),
        (body, content_type + "0"),
        (b"\r\n" + body, content_type),
        (body + b"more", content_type),
        (body[:-10], content_type),
        (body.replace(b"Content-Disposition", b"Content-Position"), content_type),
        (body.replace(b"\r\n\r\n", b"\r\n", 1), content_type),
        (b"", content_type),
    ]
    for other, told in others:
        with pytest.raises(FormError):
            read_fields(other, told)
    twice = body.replace(b'name="file"; filename="a"', b'name="model"')
    with pytest.raises(FormError, match="twice"):
        read_fields(twice, content_type)
    part = b'Content-Disposition: form-data; name="x"; filename="y"\r\n\r\n'
    many = b"--b\r\n" + b"\r\n--b\r\n".join([part] * 1_100) + b"\r\n--b--\r\n"
    with pytest.raises(FormError, match="more than"):
        read_fields(many, form_type("b"))


def test_what_cannot_be_put_into_a_form_is_refused() -> None:
    with pytest.raises(FormError, match="boundary"):
        encode_form({"model": BOUNDARY}, {}, boundary=BOUNDARY)
    with pytest.raises(FormError, match="boundary"):
        encode_form({}, {}, boundary="with space")
    with pytest.raises(FormError, match="media type"):
        encode_form({}, {"file": FormFile("a", b"", "text/plain\r\nx: y")}, boundary=BOUNDARY)
    body, content_type = encode_form({'a"\r\nb': "v"}, {}, boundary=BOUNDARY)
    assert list(read_fields(body, content_type)) == ["a%22%0D%0Ab"]
