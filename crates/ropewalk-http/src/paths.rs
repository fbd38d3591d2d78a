//! Paths that no door gets to see.

use percent_encoding::percent_decode_str;

/// Bytes of a path with its query.
pub const LENGTH_MAX: usize = 8 << 10;

/// Why a request's path is refused, as a sentence; none if a door may have it. Paths that a proxy, a router and a
/// file system read differently are refused here, once.
pub fn refusal(path: &str, whole: usize) -> Option<&'static str> {
    if whole > LENGTH_MAX {
        return Some("the address is longer than 8 KiB");
    }
    let lower = path.to_ascii_lowercase();
    if lower.contains("%2f") || lower.contains("%5c") {
        return Some("the address holds an encoded slash");
    }
    if lower.contains("%00") {
        return Some("the address holds an encoded NUL");
    }
    if !escapes_are_whole(path) {
        return Some("the address holds a broken percent escape");
    }
    let Ok(decoded) = percent_decode_str(path).decode_utf8() else {
        return Some("the address is not UTF-8 after decoding");
    };
    if decoded.split('/').any(|segment| segment == "." || segment == "..") {
        return Some("the address holds a `.` or `..` segment");
    }
    decoded.chars().any(char::is_control).then_some("the address holds a control character")
}

fn escapes_are_whole(path: &str) -> bool {
    let mut parts = path.split('%');
    parts.next();
    parts.all(|part| part.len() >= 2 && part.bytes().take(2).all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_read_differently_elsewhere() {
        for path in [
            "/a%2Fb",
            "/a%2fb",
            "/a%5Cb",
            "/%00",
            "/a/../b",
            "/./a",
            "/%2e%2e/a",
            "/.%2E",
            "/%",
            "/%4",
            "/%zz",
            "/%ff",
            "/a%0ab",
            "/..",
        ] {
            assert!(refusal(path, path.len()).is_some(), "{path}");
        }
    }

    #[test]
    fn lets_ordinary_paths_through() {
        for path in ["/", "/~user/job/1", "/a+b", "/a%20b", "/%C3%A9", "/...", "/.well-known/x", "/a..b"] {
            assert_eq!(refusal(path, path.len()), None, "{path}");
        }
        assert!(refusal("/", LENGTH_MAX + 1).is_some());
    }

    proptest! {
        #[test]
        fn what_passes_has_no_dot_segment_after_decoding(path in "/[a-z.%0-9A-F/]{0,24}") {
            if refusal(&path, path.len()).is_none() {
                let decoded = percent_decode_str(&path).decode_utf8().unwrap().into_owned();
                prop_assert!(decoded.split('/').all(|segment| segment != "." && segment != ".."));
                prop_assert_eq!(decoded.matches('/').count(), path.matches('/').count());
            }
        }
    }
}
