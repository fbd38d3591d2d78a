//! Quoting for the shell.

/// One word for a POSIX shell, and one entry of a bash array. Bare when every character is harmless anywhere in a command, `''` when empty.
///
/// ```
/// use ropewalk_model::manifest::script::quote;
/// assert_eq!(quote("a-b"), "a-b");
/// assert_eq!(quote("it's"), r#"'it'"'"'s'"#);
/// ```
pub fn quote(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(harmless) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r#"'"'"'"#))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    #[test]
    fn harmless_words_stay_bare() {
        assert_eq!(quote("a_Z09@%+=:,./-"), "a_Z09@%+=:,./-");
        assert_eq!(quote(""), "''");
        for text in ["~", "a b", "*", "é", "$A", "!x", "#", "a\nb", "{a,b}", "-n;"] {
            assert!(quote(text).starts_with('\''), "{text}");
        }
    }

    /// What `shell` makes of these words.
    fn words(shell: &str, script: &str) -> Vec<String> {
        let output = Command::new(shell).args(["-c", script]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_terminator('\0').map(str::to_owned).collect()
    }

    fn texts() -> impl Strategy<Value = Vec<String>> {
        let text = prop_oneof![
            "[^\0]{0,12}",
            "[ -~]{0,20}",
            "[\\\\'\"$`!\n\t*?~#&|;<>(){}\\[\\]-]{0,10}",
            Just("$(exit 1)".to_owned()),
            Just("\r\n".to_owned()),
            // In double quotes within an array bash 5.2 puts a byte before each of these.
            "[a\u{1}\u{7f}]{0,4}",
        ];
        proptest::collection::vec(text, 1..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_shell_gives_back_every_word(texts in texts()) {
            let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
            let script = format!("printf '%s\\0' {}", quoted.join(" "));
            prop_assert_eq!(&words("bash", &script), &texts);
            prop_assert_eq!(&words("sh", &script), &texts);
        }

        #[test]
        fn an_array_gives_back_every_entry(texts in texts()) {
            let quoted: Vec<String> = texts.iter().map(|text| quote(text)).collect();
            let script = format!("a=({}); printf '%s\\0' \"${{a[@]}}\"", quoted.join(" "));
            prop_assert_eq!(&words("bash", &script), &texts);
        }
    }
}
