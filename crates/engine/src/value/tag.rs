//! The bytes that say what follows, as V8 names them.

/// Starts the header: the version follows.
pub(super) const VERSION: u8 = 0xff;
/// Bytes between tags that carry nothing.
pub(super) const PADDING: u8 = 0;

pub(super) const HOLE: u8 = b'-';
pub(super) const UNDEFINED: u8 = b'_';
pub(super) const NULL: u8 = b'0';
pub(super) const TRUE: u8 = b'T';
pub(super) const FALSE: u8 = b'F';
pub(super) const INT32: u8 = b'I';
pub(super) const UINT32: u8 = b'U';
pub(super) const DOUBLE: u8 = b'N';
pub(super) const BIGINT: u8 = b'Z';
pub(super) const UTF8_STRING: u8 = b'S';
pub(super) const ONE_BYTE_STRING: u8 = b'"';
pub(super) const TWO_BYTE_STRING: u8 = b'c';
pub(super) const REFERENCE: u8 = b'^';
pub(super) const BEGIN_OBJECT: u8 = b'o';
pub(super) const END_OBJECT: u8 = b'{';
pub(super) const BEGIN_SPARSE_ARRAY: u8 = b'a';
pub(super) const END_SPARSE_ARRAY: u8 = b'@';
pub(super) const BEGIN_DENSE_ARRAY: u8 = b'A';
pub(super) const END_DENSE_ARRAY: u8 = b'$';
pub(super) const DATE: u8 = b'D';
pub(super) const TRUE_OBJECT: u8 = b'y';
pub(super) const FALSE_OBJECT: u8 = b'x';
pub(super) const NUMBER_OBJECT: u8 = b'n';
pub(super) const BIGINT_OBJECT: u8 = b'z';
pub(super) const STRING_OBJECT: u8 = b's';
pub(super) const REGEXP: u8 = b'R';
pub(super) const BEGIN_MAP: u8 = b';';
pub(super) const END_MAP: u8 = b':';
pub(super) const BEGIN_SET: u8 = b'\'';
pub(super) const END_SET: u8 = b',';
pub(super) const ARRAY_BUFFER: u8 = b'B';
pub(super) const RESIZABLE_ARRAY_BUFFER: u8 = b'~';
pub(super) const VIEW: u8 = b'V';
pub(super) const ERROR: u8 = b'r';
pub(super) const HOST_OBJECT: u8 = b'\\';

/// Ends an error's parts.
pub(super) const ERROR_END: u8 = b'.';

/// Why a tag that V8 knows cannot be carried: what it points at was never in these bytes.
pub(super) fn refusal(tag: u8) -> Option<&'static str> {
    Some(match tag {
        b'u' => "a SharedArrayBuffer, whose bytes live in the memory of the process that stored it",
        b't' => "a transferred ArrayBuffer, whose bytes went to its receiver",
        b'w' => "a transferred WebAssembly.Module",
        b'm' => "a transferred WebAssembly.Memory",
        b'p' => "an object shared between isolates",
        b'?' => "an object count, which versions 13 to 15 do not write",
        b'M' | b'b' | b'i' | b'f' | b'e' | b'd' | b'l' | b'L' | b'#' | b'g' | b'G' | b'H' | b'K' | b'k' => {
            "an object of a browser's page"
        }
        _ => return None,
    })
}
