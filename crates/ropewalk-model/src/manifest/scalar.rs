//! Which type a scalar has: the core schema of YAML 1.2 (section 10.3.2), where `yes`, `on` and dates are text.

/// A scalar with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false` in one of three spellings.
    Bool(bool),
    /// An integer or float, as it was written.
    Number(String),
    /// Everything else, and everything quoted.
    Text(String),
}

impl Scalar {
    /// The type of a scalar that is neither quoted nor tagged.
    pub(super) fn plain(text: &str) -> Scalar {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Scalar::Null,
            "true" | "True" | "TRUE" => Scalar::Bool(true),
            "false" | "False" | "FALSE" => Scalar::Bool(false),
            _ if is_integer(text) || is_float(text) => Scalar::Number(text.into()),
            _ => Scalar::Text(text.into()),
        }
    }

    /// The type that a core tag (`!!str`, `!!int`, …) asks for; none when the text does not fit it.
    pub(super) fn tagged(suffix: &str, text: &str) -> Option<Scalar> {
        let plain = Scalar::plain(text);
        match (suffix, &plain) {
            ("str", _) => Some(Scalar::Text(text.into())),
            ("null", Scalar::Null) | ("bool", Scalar::Bool(_)) => Some(plain),
            ("int", Scalar::Number(_)) if is_integer(text) => Some(plain),
            ("float", Scalar::Number(_)) => Some(plain),
            _ => None,
        }
    }

    /// What to call it in an error.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Scalar::Null => "nothing",
            Scalar::Bool(_) => "a boolean",
            Scalar::Number(_) => "a number",
            Scalar::Text(_) => "text",
        }
    }
}

fn is_integer(text: &str) -> bool {
    if let Some(octal) = text.strip_prefix("0o") {
        return !octal.is_empty() && octal.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    }
    if let Some(hex) = text.strip_prefix("0x") {
        return !hex.is_empty() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_float(text: &str) -> bool {
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let whole = match mantissa.split_once('.') {
        Some((whole, part)) => digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty()),
        None => !mantissa.is_empty() && digits(mantissa),
    };
    let power = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    whole && power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_yaml_1_1_are_text() {
        for text in
            ["yes", "no", "on", "off", "Yes", "NO", "y", "n", "1_000", "0b11", "1:30", "2020-01-01", "="]
        {
            assert_eq!(Scalar::plain(text), Scalar::Text(text.into()));
        }
    }

    #[test]
    fn numbers_keep_their_writing() {
        for text in [
            "0", "010", "-7", "+7", "0o17", "0xfF", "1.", ".5", "1.50", "1e3", "1E-3", "-.inf", ".NaN",
            "12e03",
        ] {
            assert_eq!(Scalar::plain(text), Scalar::Number(text.into()));
        }
    }

    #[test]
    fn nearly_numbers_are_text() {
        for text in
            ["0x", "0o8", ".", "-", "1e", "e3", "1.2.3", "--1", "+.nan", "0xg", "inf", "1e3.5", "-0x1"]
        {
            assert_eq!(Scalar::plain(text), Scalar::Text(text.into()), "{text}");
        }
    }

    #[test]
    fn nothing_and_booleans_have_three_spellings() {
        for text in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(Scalar::plain(text), Scalar::Null);
        }
        assert_eq!(Scalar::plain("TRUE"), Scalar::Bool(true));
        assert_eq!(Scalar::plain("False"), Scalar::Bool(false));
        assert_eq!(Scalar::plain("tRUE"), Scalar::Text("tRUE".into()));
    }

    #[test]
    fn a_tag_must_fit_the_text() {
        assert_eq!(Scalar::tagged("str", "1"), Some(Scalar::Text("1".into())));
        assert_eq!(Scalar::tagged("float", "1"), Some(Scalar::Number("1".into())));
        assert_eq!(Scalar::tagged("int", "1.5"), None);
        assert_eq!(Scalar::tagged("bool", "yes"), None);
    }
}
