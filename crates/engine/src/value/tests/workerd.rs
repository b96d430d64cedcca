//! Objects that workerd 1.20260730 stored, byte for byte out of its database.

use super::*;

#[test]
fn headers() {
    let bytes = b"\xff\x0f\\\x04\x03\x02\x11\ntext/plain\x00\x08x-Custom\x03\xc3\xa91";
    assert_eq!(
        json(bytes),
        r#"{"$v8":"headers","entries":[["content-type","text/plain"],["x-Custom","é1"]]}"#
    );
    assert_eq!(kind(bytes).unwrap().name(), "headers");
}

#[test]
fn request_and_response_without_body() {
    assert_eq!(
        json(b"\xff\x0f\\\x05\thttp://x/o\"\x06method\"\x03PUT\"\x07headers\\\x04\x03\x01\x00\x01a\x01b\"\x04body0\"\x08redirect\"\x06manual{\x04"),
        r#"{"$v8":"request","url":"http://x/","init":{"method":"PUT","headers":{"$v8":"headers","entries":[["a","b"]]},"body":null,"redirect":"manual"}}"#
    );
    assert_eq!(
        json(b"\xff\x0f\\\x060o\"\x06statusI\x92\x03\"\x07headers\\\x04\x03\x01\x00\x01a\x01b{\x02"),
        r#"{"$v8":"response","body":null,"init":{"status":201,"headers":{"$v8":"headers","entries":[["a","b"]]}}}"#
    );
}

#[test]
fn blob() {
    assert_eq!(
        json(b"\xff\x0f\\\x0f\ntext/plain\x03abc"),
        r#"{"$v8":"blob","media_type":"text/plain","value":"YWJj"}"#
    );
}

#[test]
fn dom_exception_inside_an_array() {
    assert_eq!(
        json(b"\xff\x0fA\x03I\x02\\\x08\nAbortError\x03bad\x0fAbortError: badI\x04$\x00\x03"),
        r#"[1,{"$v8":"domexception","name":"AbortError","message":"bad","stack":"AbortError: bad"},2]"#
    );
}

#[test]
fn errors_under_enhanced_error_serialization() {
    assert_eq!(
        json(b"\xff\x0f\\\n\x02\"\x03bado\"\x05stack\"\x0eTypeError: bad\"\x05causeo\"\x01aI\x02{\x01\"\x05extraI\n{\x03"),
        r#"{"$v8":"error","name":"TypeError","message":"bad","properties":{"stack":"TypeError: bad","cause":{"a":1},"extra":5}}"#
    );
    let renamed = b"\xff\x0fA\x03\\\n\x00\"\x07MyError\"\x01mo\"\x05stack\"\x01s{\x01^\x01o{\x00$\x00\x03";
    assert_eq!(
        json(renamed),
        r#"[{"$v8":"error","id":1,"name":"MyError","message":"m","properties":{"stack":"s"}},{"$v8":"reference","id":1},{}]"#
    );
    assert_eq!(
        json(b"\xff\x0f\\\n\x01\"\x01mo\"\x05cause^\x00{\x01"),
        r#"{"$v8":"error","id":0,"name":"Error","message":"m","properties":{"cause":{"$v8":"reference","id":0}}}"#
    );
}

#[test]
fn plain_error_writes_its_stack_before_its_cause() {
    assert_eq!(
        json(b"\xff\x0frTm\"\x03bads\"\x01sco\"\x01aI\x02{\x01."),
        r#"{"$v8":"error","name":"TypeError","message":"bad","stack":"s","cause":{"a":1}}"#
    );
}

#[test]
fn views() {
    assert_eq!(
        json(b"\xff\x0fB\x04\x00>\x00\x80Vh\x00\x04\x00"),
        r#"{"$v8":"float16array","value":"AD4AgA=="}"#
    );
    assert_eq!(
        json(b"\xff\x0f~\x04\x08\x00\x00\x00\x00VB\x00\x00\x03"),
        r#"{"$v8":"uint8array","buffer":{"$v8":"arraybuffer","maximum_bytes":8,"value":"AAAAAA=="},"offset_bytes":0,"length_tracking":true}"#
    );
}

#[test]
fn what_was_never_stored_is_refused_by_name() {
    let cases: [(&[u8], &str); 5] = [
        (b"\xff\x0fu\x00", "byte 2: a SharedArrayBuffer"),
        (b"\xff\x0ft\x00", "byte 2: a transferred ArrayBuffer"),
        (b"\xff\x0f\\\x03\x00", "byte 3: a ReadableStream"),
        (b"\xff\x0f\\\x0b\x00", "byte 3: a service stub"),
        (b"\xff\x0f\\\x63", "byte 3: an object of workerd's type 99"),
    ];
    for (bytes, message) in cases {
        assert!(refused(bytes).starts_with(message), "{}", refused(bytes));
        let named = kind(bytes).unwrap_err();
        assert_eq!(named.kind(), crate::ErrorKind::Unsupported);
        assert_eq!(named.to_string(), refused(bytes));
    }
}
