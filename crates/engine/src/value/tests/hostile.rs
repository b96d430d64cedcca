//! Input that lies, nests without end or claims more than it has.

use super::*;

/// The length of the JSON, which must come without recursion.
fn json_bytes(bytes: &[u8]) -> usize {
    let text = json(bytes);
    serde_json::from_str::<serde::de::IgnoredAny>(&text).unwrap();
    text.len()
}

/// `open` so often that `size_bytes` are full, then `close` as often.
fn nested(size_bytes: usize, open: &[u8], inner: &[u8], close: &[u8]) -> Vec<u8> {
    let depth = size_bytes / (open.len() + close.len());
    let mut bytes = b"\xff\x0f".to_vec();
    bytes.extend(open.repeat(depth));
    bytes.extend_from_slice(inner);
    bytes.extend(close.repeat(depth));
    bytes
}

#[test]
fn ten_megabytes_of_nesting() {
    let bytes = nested(10_000_000, b"A\x01", b"0", b"$\x00\x01");
    assert_eq!(json_bytes(&bytes), 4_000_004);
    let bytes = nested(10_000_000, b"o\"\x01a", b"0", b"{\x01");
    assert_eq!(json_bytes(&bytes), 1_666_666 * 6 + 4);
    // Keys that are maps.
    let keys = vec![b';'; 10_000_000];
    assert_eq!(refused(&keys), "byte 10000000: the value ends before a map's end");
}

#[test]
fn nesting_of_every_container() {
    for (open, close) in [
        (&b"a\x01I\x00"[..], &b"@\x01\x01"[..]),
        (b";0", b":\x02"),
        (b"'", b",\x01"),
        (b"rc", b"."),
        (b"\\\x060", b""),
        (b"o\"\x03$v8", b"{\x01"),
    ] {
        let bytes = nested(500_000, open, b"0", close);
        assert!(json_bytes(&bytes) > bytes.len() / 4);
        let cut = refused(&bytes[..bytes.len() / 2]);
        assert!(cut.contains("ends before") || cut.contains("are left"), "{cut}");
    }
}

#[test]
fn wide_values_stay_linear() {
    let mut bytes = b"\xff\x0f'".to_vec();
    bytes.extend(b"_".repeat(2_000_000));
    bytes.extend(b",\x80\x89\x7a");
    assert_eq!(json_bytes(&bytes), 2_000_000 * 20 + 24);

    // A BigInt of two megabytes: decimal digits would take minutes.
    let mut bytes = b"\xff\x0fZ\x80\x80\x80\x02".to_vec();
    bytes.extend(b"\xff".repeat(2 << 20));
    assert_eq!(json_bytes(&bytes), (2 << 21) + 29);

    // Padding without end, and a string of it.
    let bytes = [&b"\xff\x0f"[..], &[0; 5_000_000], b"0"].concat();
    assert_eq!(json_bytes(&bytes), 4);
}

#[test]
fn references_do_not_multiply_the_text() {
    // Each array holds the one before it a hundred times.
    let mut bytes = Vec::new();
    let depth = 100u8;
    for _ in 0..depth {
        bytes.extend(b"A\x64");
    }
    bytes.push(b'0');
    for level in (0..depth).rev() {
        for _ in 0..99 {
            bytes.extend([b'^', (level + 1) % depth]);
        }
        bytes.extend(b"$\x00\x64");
    }
    assert!(json_bytes(&bytes) < bytes.len() * 20);
}

#[test]
fn lengths_past_the_end() {
    let huge = b"\xff\xff\xff\xff\x0f";
    for (tag, message) in [
        (&b"\""[..], "byte 8: a string of 4294967295 bytes, but 1 are left"),
        (b"S", "byte 8: a string of 4294967295 bytes, but 1 are left"),
        (b"c", "byte 3: a two-byte string of 4294967295 bytes"),
        (b"B", "byte 8: an ArrayBuffer of 4294967295 bytes, but 1 are left"),
        (b"Z", "byte 8: a BigInt of 2147483647 bytes, but 1 are left"),
        (b"A", "byte 3: an array of 4294967295 elements, but 1 bytes are left"),
        (b"a", "byte 8: a property's name begins with the byte 0x30, neither text nor number"),
        (b"^", "byte 3: a reference to object 4294967295, but only 0 came before"),
    ] {
        let bytes = [b"\xff\x0f", tag, huge, b"0"].concat();
        assert_eq!(refused(&bytes), message);
    }
    assert_eq!(
        refused(b"\xff\x0f\\\x04\x03\xff\xff\xff\xff\x0f"),
        "byte 10: the value ends before a header's name"
    );
    assert!(
        refused(b"\xff\x0f\\\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")
            .contains("a request's URL of 18446744073709551615 bytes")
    );
}

#[test]
fn the_longest_sparse_array_takes_no_room() {
    let bytes = b"\xff\x0fa\xff\xff\xff\xff\x0f@\x00\xff\xff\xff\xff\x0f";
    assert_eq!(json(bytes), r#"{"$v8":"array","length":4294967295,"entries":[]}"#);
}

#[test]
fn numbers_in_odd_spellings() {
    assert_eq!(refused(b"\xff\x0fU\x80\x00"), "byte 3: a number is written in more bytes than it needs");
    assert_eq!(refused(b"\xff\x0fU\xff\xff\xff\xff\x1f"), "byte 3: a number is not a 32-bit number");
    assert_eq!(
        refused(b"\xff\x0fU\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
        "byte 3: a number is not a 32-bit number"
    );
    assert_eq!(refused(b"\xff\x0fU\x80\x80"), "byte 5: the value ends before a number");
    assert_eq!(refused(b"\xff\x8f\x00"), "byte 1: the version is written in more bytes than it needs");
}

#[test]
fn versions() {
    assert_eq!(refused(b"\xff\x0c0"), "byte 1: version 12 of V8's format; this reads 13, 14 and 15");
    assert_eq!(refused(b"\xff\x100"), "byte 1: version 16 of V8's format; this reads 13, 14 and 15");
    assert_eq!(refused(b""), "byte 0: the value ends before a value");
    assert_eq!(refused(b"\xff"), "byte 1: the value ends before the version");
}

#[test]
fn counts_that_do_not_repeat_what_came() {
    assert_eq!(
        refused(b"\xff\x0fo\"\x01a0{\x02"),
        "byte 8: an object's number of properties is 2, but 1 came"
    );
    assert_eq!(refused(b"\xff\x0fA\x010$\x00\x02"), "byte 7: an array's length is 2, but 1 came");
    assert_eq!(refused(b"\xff\x0f;00:\x01"), "byte 6: a map's length is 1, but 2 came");
    assert_eq!(refused(b"\xff\x0f;0:\x01"), "byte 4: no value begins with the byte 0x3a");
}

#[test]
fn views_that_do_not_fit() {
    for (bytes, message) in [
        (&b"\xff\x0fB\x02abVB\x01\x02\x00"[..], "byte 7: a view of 2 bytes from 1 on, but the buffer has 2"),
        (
            b"\xff\x0fB\x02abVB\xff\xff\xff\xff\x0f\x01\x00",
            "byte 7: a view of 1 bytes from 4294967295 on, but the buffer has 2",
        ),
        (b"\xff\x0fB\x02abVW\x01\x01\x00", "byte 7: a view of 2-byte elements has 1 bytes from 1 on"),
        (b"\xff\x0fB\x02abVB\x00\x02\x01", "byte 10: a view's flags do not fit its buffer"),
        (b"\xff\x0f~\x02\x02abVB\x00\x02\x00", "byte 11: a view's flags do not fit its buffer"),
        (b"\xff\x0fB\x02abVB\x00\x02\x04", "byte 10: view flags 0x4, some of them unknown"),
        (b"\xff\x0fB\x02abV!\x00\x02\x00", "byte 7: no view has the type 0x21"),
        (b"\xff\x0f~\x02\x01ab", "byte 4: an ArrayBuffer of 2 bytes may have only 1"),
        (b"\xff\x0fVB\x00\x00\x00", "byte 2: no value begins with the byte 0x56"),
    ] {
        assert_eq!(refused(bytes), message);
    }
}

#[test]
fn parts_in_the_wrong_place() {
    for (bytes, message) in [
        (&b"\xff\x0f-"[..], "byte 2: no value begins with the byte 0x2d"),
        (b"\xff\x0frm0.", "byte 4: an error's text is not a string: it begins with the byte 0x30"),
        (b"\xff\x0frm\"\x00m\"\x00.", "byte 6: an error has this part already"),
        (b"\xff\x0frm\"\x00T.", "byte 6: no part of an error begins with the byte 0x54 here"),
        (b"\xff\x0fo0", "byte 3: a property's name begins with the byte 0x30, neither text nor number"),
        (b"\xff\x0fS\x01\xff", "byte 4: a UTF-8 string is not UTF-8"),
        (b"\xff\x0fR\"\x01a\x80\x04", "byte 6: regular expression flags 0x200, some of them unknown"),
        (b"\xff\x0f\\\x0a\x0e", "byte 4: no error of workerd has the type 14"),
        (b"\xff\x0f\\\x04\x04\x00", "byte 4: headers with guard 4"),
        (b"\xff\x0f\\\x04\x03\x01\x30\x00", "byte 6: no header has the number 48"),
    ] {
        assert_eq!(refused(bytes), message);
    }
}
