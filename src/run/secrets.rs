//! Secrets that a training job may have written into its text files: where they are, and the text without them.
//!
//! Shapes of issued tokens are matched as their issuers document them; pairs such as `password=...` by the name on the
//! left and by whether the right side can be a secret. What no shape describes is not found: a scan that finds nothing
//! does not show that there is nothing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};
use serde::Serialize;

/// What stands in the place of a secret.
pub const REDACTED: &str = "<REDACTED>";

/// A kind of secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretKind {
    /// `-----BEGIN ... PRIVATE KEY-----`.
    PrivateKey,
    /// `sk-ant-`.
    Anthropic,
    /// `sk-proj-` and its kin.
    OpenAiProject,
    /// `sk-`.
    OpenAi,
    /// `hf_`.
    HuggingFace,
    /// `ghp_`, `gho_`, `ghu_`, `ghs_`, `ghr_`, `github_pat_`.
    GitHub,
    /// `glpat-`.
    GitLab,
    /// `AKIA`, `ASIA`: the id of an access key.
    Aws,
    /// `xox?-`.
    Slack,
    /// `AIza`.
    Google,
    /// Three base64url parts.
    Jwt,
    /// `Bearer` and a token.
    Bearer,
    /// `scheme://user:secret@host`.
    Url,
    /// `password=`, `token=`, `api_key=` and the like.
    Pair,
}

/// One secret in a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Secret {
    /// The line it begins in, counted from 1.
    pub line: usize,
    /// Its kind.
    pub kind: SecretKind,
    /// What can be told of it: the public part, never the value.
    pub masked: String,
    /// Its bytes.
    #[serde(skip)]
    pub range: Range<usize>,
}

/// A shape: group `secret`, and where there is one `public`, what may be told of it.
struct Shape {
    kind: SecretKind,
    pattern: Regex,
    can_be: fn(&Captures<'_>) -> bool,
}

static SHAPES: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    let shape = |kind, pattern: &str, can_be| {
        let pattern = Regex::new(&format!("(?-u){pattern}")).expect("the shapes are sound");
        Shape { kind, pattern, can_be }
    };
    let always: fn(&Captures<'_>) -> bool = |_| true;
    // In pieces, so that no scanner takes this file for one that holds a key.
    let begin = ["-----BEGIN [A-Z ]*PRIV", "ATE KEY(?: BLOCK)?-----"].concat();
    let end = ["-----END [A-Z ]*PRIV", "ATE KEY(?: BLOCK)?-----"].concat();
    vec![
        shape(SecretKind::PrivateKey, &format!("(?s)(?<secret>{begin}(?:.*?{end}|.*))"), always),
        shape(SecretKind::Anthropic, r"\b(?<secret>(?<public>sk-ant-)[A-Za-z0-9_-]{16,})", always),
        shape(
            SecretKind::OpenAiProject,
            r"\b(?<secret>(?<public>sk-(?:proj|svcacct|admin)-)[A-Za-z0-9_-]{16,})",
            always,
        ),
        shape(SecretKind::OpenAi, r"\b(?<secret>(?<public>sk-)[A-Za-z0-9]{16,})", issued),
        shape(SecretKind::HuggingFace, r"\b(?<secret>(?<public>hf_)[A-Za-z0-9]{16,})", issued),
        shape(SecretKind::GitHub, r"\b(?<secret>(?<public>gh[pousr]_)[A-Za-z0-9]{36,})", always),
        shape(SecretKind::GitHub, r"\b(?<secret>(?<public>github_pat_)[A-Za-z0-9_]{22,})", always),
        shape(SecretKind::GitLab, r"\b(?<secret>(?<public>glpat-)[A-Za-z0-9_-]{20,})", always),
        shape(SecretKind::Aws, r"\b(?<secret>(?<public>AKIA|ASIA)[0-9A-Z]{16})\b", always),
        shape(SecretKind::Slack, r"\b(?<secret>(?<public>xox[abeprs]-)[A-Za-z0-9-]{10,})", always),
        shape(SecretKind::Google, r"\b(?<secret>(?<public>AIza)[0-9A-Za-z_-]{35})", always),
        shape(
            SecretKind::Jwt,
            r"\b(?<secret>(?<public>eyJ)[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})",
            always,
        ),
        shape(SecretKind::Bearer, r"(?i)\bbearer[ \t]+(?<secret>[A-Za-z0-9._~+/=-]{16,})", issued),
        shape(
            SecretKind::Url,
            r#"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@"'<>]*:(?<secret>[^\s/@"'<>]+)@"#,
            always,
        ),
        shape(SecretKind::Pair, PAIR, pair),
    ]
});

/// A name that ends in a word for a secret, `=` or `:`, and a value; quotes may be escaped, as in JSON within JSON.
const PAIR: &str = concat!(
    r"(?i)(?<name>[A-Za-z0-9_.-]*(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key",
    r"|secret[_-]?key|private[_-]?key|auth[_-]?key))",
    r#"\\*["']?[ \t]*(?:=>|[:=])[ \t]*\\*["']?"#,
    r#"(?<secret>[^\s"'\\,;<>{}()\[\]]{6,})"#
);

/// Names that end in `token` and are about text, not about access.
const ABOUT_TEXT: &[&str] = &[
    "pad",
    "eos",
    "bos",
    "unk",
    "sep",
    "cls",
    "mask",
    "max",
    "min",
    "new",
    "num",
    "per",
    "next",
    "last",
    "first",
    "image",
    "audio",
    "video",
    "special",
    "start",
    "end",
    "stop",
    "begin",
    "prefix",
    "suffix",
    "middle",
    "decoder_start",
    "added",
    "boi",
    "eoi",
    "think",
    "user",
    "assistant",
    "system",
    "response",
    "instruction",
    "fim",
    "eot",
    "a",
    "each",
    "per_device",
    "word",
    "sub",
];

/// An issued token is drawn at random: a digit or a capital is in it.
fn issued(found: &Captures<'_>) -> bool {
    found["secret"].iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
        && found["secret"].iter().any(u8::is_ascii_alphanumeric)
}

/// Whether the right side of a pair can be a secret.
fn pair(found: &Captures<'_>) -> bool {
    let name = String::from_utf8_lossy(&found["name"]).to_ascii_lowercase();
    let value = String::from_utf8_lossy(&found["secret"]).into_owned();
    if let Some(before) = name.strip_suffix("token") {
        let before = before.trim_end_matches(['_', '-', '.']);
        let last = before.rsplit(['_', '-', '.']).next().unwrap_or_default();
        if ABOUT_TEXT.contains(&last) || ABOUT_TEXT.contains(&before) {
            return false;
        }
    }
    let has = |class: fn(&u8) -> bool| value.as_bytes().iter().any(class);
    let drawn = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    let marked = value.contains(['!', '@', '#', '$', '%', '^', '&', '*', '+', '=', '~', '?']);
    let number = value.parse::<f64>().is_ok();
    // A reference to a secret is none, and neither is one that was taken out already.
    let reference =
        value.starts_with('$') || value.starts_with("%(") || value.chars().all(|letter| letter == '*');
    let short = ["password", "passwd", "pwd", "passphrase"].iter().any(|word| name.ends_with(word));
    // `PWD=/...` is where a shell stands.
    let place = name.ends_with("pwd") && value.starts_with(['/', '~', '.']);
    (drawn || marked) && !number && !reference && !place && (short || value.len() >= 8)
}

/// Every secret in a text, in the order of their places; where two shapes meet, the first of the list.
#[must_use]
pub fn scan(text: &[u8]) -> Vec<Secret> {
    // By where they begin. No two meet, so the last that begins before another ends is the only one that may meet it.
    let mut found: BTreeMap<usize, Secret> = BTreeMap::new();
    for shape in SHAPES.iter() {
        for captures in shape.pattern.captures_iter(text) {
            let Some(secret) = captures.name("secret") else { continue };
            let range = secret.range();
            let before = found.range(..range.end).next_back();
            let meets = before.is_some_and(|(_, other)| range.start < other.range.end);
            if !(shape.can_be)(&captures) || meets {
                continue;
            }
            let public = captures.name("public").map(|public| String::from_utf8_lossy(public.as_bytes()));
            let masked = format!("{}***", public.unwrap_or_default());
            found.insert(range.start, Secret { line: 0, kind: shape.kind, masked, range });
        }
    }
    let mut found: Vec<Secret> = found.into_values().collect();
    let (mut line, mut passed) = (1, 0);
    for secret in &mut found {
        line += text[passed..secret.range.start].split(|byte| *byte == b'\n').count() - 1;
        passed = secret.range.start;
        secret.line = line;
    }
    found
}

/// The text with every secret replaced by [`REDACTED`]; without one, the text itself.
#[must_use]
pub fn redact(text: &[u8]) -> Vec<u8> {
    let mut redacted = Vec::with_capacity(text.len());
    let mut passed = 0;
    for secret in scan(text) {
        redacted.extend_from_slice(&text[passed..secret.range.start]);
        redacted.extend_from_slice(REDACTED.as_bytes());
        passed = secret.range.end;
    }
    redacted.extend_from_slice(&text[passed..]);
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made when the test runs: no literal of this file looks like a secret.
    fn drawn(length: usize) -> String {
        "a1B2c3D4e5F6g7H8".chars().cycle().take(length).collect()
    }

    fn kinds(text: &str) -> Vec<SecretKind> {
        scan(text.as_bytes()).iter().map(|secret| secret.kind).collect()
    }

    #[test]
    fn every_shape_is_found_told_by_its_public_part_and_taken_out() {
        let key = |word: &str| format!("-----{word} EC {}{} KEY-----", "PRIV", "ATE");
        let upper: String = drawn(16).to_uppercase();
        for (secret, kind, masked) in [
            (["sk-", "ant-", "api03-", &drawn(20)].concat(), SecretKind::Anthropic, "sk-ant-***"),
            (["sk-", "proj-", &drawn(20)].concat(), SecretKind::OpenAiProject, "sk-proj-***"),
            (["sk", "-", &drawn(24)].concat(), SecretKind::OpenAi, "sk-***"),
            (["hf", "_", &drawn(34)].concat(), SecretKind::HuggingFace, "hf_***"),
            (["gh", "p_", &drawn(36)].concat(), SecretKind::GitHub, "ghp_***"),
            (["github", "_pat_", &drawn(30)].concat(), SecretKind::GitHub, "github_pat_***"),
            (["glp", "at-", &drawn(20)].concat(), SecretKind::GitLab, "glpat-***"),
            (["AK", "IA", &upper].concat(), SecretKind::Aws, "AKIA***"),
            (["xo", "xb-", &drawn(24)].concat(), SecretKind::Slack, "xoxb-***"),
            (["AI", "za", &drawn(35)].concat(), SecretKind::Google, "AIza***"),
            (["ey", "J", &drawn(12), ".", &drawn(12), ".", &drawn(12)].concat(), SecretKind::Jwt, "eyJ***"),
            ([&key("BEGIN"), "\\nabc\\n", &key("END")].concat(), SecretKind::PrivateKey, "***"),
        ] {
            let text = format!("{{\n  \"note\": \"{secret}\"\n}}\n");
            let found = scan(text.as_bytes());
            assert_eq!(found.len(), 1, "{kind:?}");
            assert_eq!((found[0].line, found[0].kind, found[0].masked.as_str()), (2, kind, masked));
            assert_eq!(redact(text.as_bytes()), format!("{{\n  \"note\": \"{REDACTED}\"\n}}\n").as_bytes());
        }
    }

    #[test]
    fn a_secret_is_known_by_what_stands_before_it() {
        let secret = drawn(20);
        for (text, kind) in [
            (format!("Authorization: Bearer {secret}"), SecretKind::Bearer),
            (format!("git clone https://someone:{secret}@example.org/x"), SecretKind::Url),
            (format!("password={secret}"), SecretKind::Pair),
            (format!("\"hub_token\": \"{secret}\","), SecretKind::Pair),
            (format!("HF_TOKEN: {secret}"), SecretKind::Pair),
            (format!("api-key = '{secret}'"), SecretKind::Pair),
            (format!("{{\"config\": \"{{\\\"wandb_api_key\\\": \\\"{secret}\\\"}}\"}}"), SecretKind::Pair),
            (format!("aws_secret_access_key={secret}"), SecretKind::Pair),
            (["pass", "wd: hun", "ter2"].concat(), SecretKind::Pair),
        ] {
            assert_eq!(kinds(&text), [kind], "{text}");
            assert!(!String::from_utf8(redact(text.as_bytes())).unwrap().contains(&secret), "{text}");
        }
    }

    #[test]
    fn words_of_the_trade_are_no_secrets() {
        for text in [
            "\"pad_token\": \"<|endoftext|>\", \"eos_token\": \"</s123456>\"",
            "\"eos_token\": \"reserved_special_1\"",
            "\"token\": null, \"hub_token\": null, \"use_auth_token\": false",
            "max_token=4096 max_tokens=128000 num_token: 1234567890",
            "tokenizer: PreTrainedTokenizerFast2 tokenizer_class=LlamaTokenizer2",
            "from huggingface_hub import hf_hub_download, hf_transfer_enabled; hf_transformersmodelcard",
            "\"password\":12345678, \"token\":31337000, \"secret\": 0.12345678",
            "sk-learn, task-0123456789abcdef01, disk-usage",
            "token=$HF_TOKEN1 password=${DB_PASSWORD1} api_key=<REDACTED> secret: ********",
            "PWD=/srv/run1/out token: the",
            "each token: word-piece",
            "if stack == 'token':\n    nesting_level += 1",
            "Bearer of good news, bearer authentication-scheme-of-note",
            "https://example.org:8080/x user@example.org",
            "loss_per_token=6.40544414 bos_token_id: 1234567x",
            "sha256:ded2a14079a27a970b2dd10f3470c84b75eb0f35d2d4fc7ee3189e4e57314ad7",
            "\"run_id\": \"e192f6f776d545b38aeb0b3d7367ddec\"",
        ] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }

    #[test]
    fn text_without_secrets_stays_as_it_is_and_places_are_lines() {
        assert_eq!(redact(b"\xff loss: 6.4\n"), b"\xff loss: 6.4\n");
        let text = format!("one\ntwo hf_{0}\n\nfour token={0}\n", drawn(20));
        let lines: Vec<_> = scan(text.as_bytes()).iter().map(|secret| secret.line).collect();
        assert_eq!(lines, [2, 4]);
    }

    #[test]
    fn many_secrets_are_found_as_fast_as_few() {
        // Each against each would be ten thousand million comparisons.
        let text = format!("hf_{}\n", drawn(30)).repeat(100_000);
        assert_eq!(scan(text.as_bytes()).len(), 100_000);
    }
}
