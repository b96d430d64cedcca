"""The part of V8's value serialization that the made database needs.

Format version 15, as workerd writes it into `_cf_KV`: the header FF 0F, then
one tagged value. Encoders return the value without the header; `decode` reads
a whole stored value and serves to know what `dotctl get` must print.
"""

import struct

HEADER = b"\xff\x0f"
TRUE = b"T"
FALSE = b"F"
NULL = b"0"

# V8 writes integers outside its 31-bit small-integer range as doubles.
SMALL_INTEGER_LIMIT = 1 << 30


def variable_length_integer(number: int) -> bytes:
    """Little-endian base 128, the high bit says that another byte follows."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def string(text: str) -> bytes:
    """A one-byte (Latin-1) string."""
    content = text.encode("latin-1")
    return b'"' + variable_length_integer(len(content)) + content


def _zigzag(number: int) -> bytes:
    return b"I" + variable_length_integer(number << 1 if number >= 0 else (-number << 1) - 1)


_COMMON_INTEGERS = [_zigzag(number) for number in range(1 << 14)]
_pack_double = struct.Struct("<cd").pack


def number(value: int | float) -> bytes:
    """A JavaScript number: a zigzag integer where V8 has one, else a double."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        if 0 <= value < len(_COMMON_INTEGERS):
            return _COMMON_INTEGERS[value]
        if -SMALL_INTEGER_LIMIT <= value < SMALL_INTEGER_LIMIT:
            return _zigzag(value)
    return _pack_double(b"N", value)


def array(values: list[bytes]) -> bytes:
    """A dense array of encoded values."""
    count = variable_length_integer(len(values))
    return b"A" + count + b"".join(values) + b"$\x00" + count


def object_template(*names: str) -> bytes:
    """A template for `template % encoded_values`: an object with these names."""
    properties = b"".join(string(name).replace(b"%", b"%%") + b"%b" for name in names)
    return b"o" + properties + b"{" + variable_length_integer(len(names))


def decode(stored: bytes):
    """The value of a stored row, as `json.loads` would give it."""
    if stored[:2] != HEADER:
        raise ValueError("no V8 header")
    value, end = _decode_value(stored, 2)
    if end != len(stored):
        raise ValueError(f"{len(stored) - end} bytes follow the value")
    return value


def _decode_length(stored: bytes, at: int) -> tuple[int, int]:
    result = shift = 0
    while True:
        byte = stored[at]
        at += 1
        result |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return result, at


def _decode_value(stored: bytes, at: int):
    tag = stored[at : at + 1]
    at += 1
    if tag == b'"':
        length, at = _decode_length(stored, at)
        return stored[at : at + length].decode("latin-1"), at + length
    if tag == b"I":
        zigzag, at = _decode_length(stored, at)
        return (zigzag >> 1) ^ -(zigzag & 1), at
    if tag == b"N":
        return struct.unpack_from("<d", stored, at)[0], at + 8
    if tag in (TRUE, FALSE, NULL):
        return {TRUE: True, FALSE: False, NULL: None}[tag], at
    if tag == b"A":
        count, at = _decode_length(stored, at)
        values = []
        for _ in range(count):
            value, at = _decode_value(stored, at)
            values.append(value)
        if stored[at : at + 2] != b"$\x00":
            raise ValueError(f"unexpected end of array at {at}")
        return values, _decode_length(stored, at + 2)[1]
    if tag == b"o":
        properties = {}
        while stored[at : at + 1] != b"{":
            name, at = _decode_value(stored, at)
            properties[name], at = _decode_value(stored, at)
        return properties, _decode_length(stored, at + 1)[1]
    raise ValueError(f"unknown tag {tag!r} at {at - 1}")
