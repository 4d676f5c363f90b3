//! Names of people, hosts and folders, and secrets, taken out of text that a record quotes.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use crate::run::evidence::Names;
use crate::run::secrets;

/// An absolute path, POSIX or Windows, or one below a home: the last component is kept.
static PATHS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        (?<before> ^ | [\s"'`=(\[,:>] | \bfile:// )
        (?: ~[A-Za-z0-9._-]* | /[^\s"'`,:;)\]<>/]+ | [A-Za-z]:[\\/][^\s"'`,:;)\]<>\\/]* | \\\\[^\s\\]+ )
        (?: [\\/]+ [^\s"'`,:;)\]<>\\/]* )*
        [\\/]+ (?<last> [^\s"'`,:;)\]<>\\/]* )"#,
    )
    .expect("the pattern is sound")
});

/// A user at a host.
static ACCOUNTS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*").expect("the pattern is sound")
});

/// A text as a record quotes it: never a secret, and names only when they are shown.
#[must_use]
pub fn text(text: &str, names: Names) -> String {
    let text = String::from_utf8_lossy(&secrets::redact(text.as_bytes())).into_owned();
    if names == Names::Shown {
        return text;
    }
    let text = ACCOUNTS.replace_all(&text, "<account>");
    PATHS.replace_all(&text, "$before<path>/$last").into_owned()
}

/// A value as a record quotes it.
pub(super) fn value(value: &Value, names: Names) -> Value {
    match value {
        Value::String(quoted) => Value::String(text(quoted, names)),
        Value::Array(values) => values.iter().map(|value| self::value(value, names)).collect(),
        Value::Object(members) => {
            members.iter().map(|(key, value)| (key.clone(), self::value(value, names))).collect()
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_accounts_are_masked_and_words_are_not() {
        let home = ["/ho", "me/someone"].concat();
        for (quoted, wanted) in [
            (format!("{home}/runs/a/model.bin"), "<path>/model.bin"),
            (format!("no such file: '{home}/x y'"), "no such file: '<path>/x y'"),
            (format!("open({home}/a.txt) failed"), "open(<path>/a.txt) failed"),
            (r"C:\Users\someone\runs\out".to_owned(), "<path>/out"),
            ("~/runs/out".to_owned(), "<path>/out"),
            ("ssh someone@host.example".to_owned(), "ssh <account>"),
            ("./tiny-llama".to_owned(), "./tiny-llama"),
            ("meta-llama/Llama-3".to_owned(), "meta-llama/Llama-3"),
            ("train20.jsonl".to_owned(), "train20.jsonl"),
            ("https://example.org/a/b".to_owned(), "https://example.org/a/b"),
            ("3/4 done, and/or not".to_owned(), "3/4 done, and/or not"),
        ] {
            assert_eq!(text(&quoted, Names::Masked), wanted);
            assert_eq!(text(&quoted, Names::Shown), quoted);
        }
    }

    #[test]
    fn a_secret_is_never_quoted() {
        let token = ["hf", "_", "a1B2c3D4e5F6g7H8"].concat();
        for names in [Names::Masked, Names::Shown] {
            assert_eq!(text(&format!("denied for {token}"), names), "denied for <REDACTED>");
        }
    }
}
