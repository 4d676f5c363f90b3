//! What checking a pack came to, as SARIF 2.1.0 (OASIS): findings are errors, warnings warnings, and what was not
//! checked is a notification, so that a log without results is not taken for a check of everything.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::law::{Effect, Law};
use super::result::{Finding, VerifyResult};
use super::text;

/// The schema that the log answers to.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The log.
#[must_use]
pub fn log(result: &VerifyResult) -> Value {
    let told = result.findings.iter().map(|finding| (finding, "error"));
    let told: Vec<_> = told.chain(result.warnings.iter().map(|finding| (finding, "warning"))).collect();
    let mut laws: Vec<&'static Law> = Vec::new();
    for (finding, _) in &told {
        if !laws.contains(&finding.law) {
            laws.push(finding.law);
        }
    }
    let rules: Vec<Value> = laws.iter().map(|law| rule(law)).collect();
    let results: Vec<Value> = told
        .iter()
        .map(|(finding, level)| {
            let index = laws.iter().position(|law| *law == finding.law);
            one(finding, level, index.expect("every law was taken from these findings"))
        })
        .collect();
    let notes: Vec<Value> = std::iter::once(text::sentence(result))
        .chain(result.not_checked.iter().map(|sentence| format!("Not checked: {sentence}")))
        .map(|text| json!({ "level": "note", "message": { "text": text } }))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": env!("CARGO_PKG_NAME"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "originalUriBaseIds": { "PACK": { "description": { "text": "The pack's folder." } } },
            "invocations": [{
                "executionSuccessful": true,
                "exitCode": result.exit_code(),
                "toolExecutionNotifications": notes,
            }],
            "columnKind": "unicodeCodePoints",
            "results": results,
            "properties": {
                "format": result.format,
                "scope": result.scope,
                "strict": result.strict,
                "proof_grade": result.proof_grade,
                "verdict": result.verdict,
                "verdict_how": result.verdict_how,
                "manifest_sha256": result.pack.as_ref().map(|pack| pack.manifest_sha256),
            },
        }],
    })
}

fn rule(law: &Law) -> Value {
    json!({
        "id": law.code,
        "shortDescription": { "text": law.title },
        "fullDescription": { "text": law.meaning },
        "help": { "text": law.remedy },
        "defaultConfiguration": { "level": "error" },
    })
}

fn one(finding: &Finding, level: &str, index: usize) -> Value {
    // What was not read is open: nothing is known of it.
    let kind = if finding.law.effect == Effect::CannotJudge { "open" } else { "fail" };
    let mut one = json!({
        "ruleId": finding.law.code,
        "ruleIndex": index,
        "kind": kind,
        "message": { "text": finding.message },
        "locations": [{
            "physicalLocation": { "artifactLocation": { "uri": uri(&finding.path), "uriBaseId": "PACK" } },
        }],
    });
    // The format allows a level other than none for failures alone.
    one["level"] = json!(if kind == "fail" { level } else { "none" });
    one
}

/// A path as a relative reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_reference_whatever_it_holds() {
        assert_eq!(uri("verify/a b.json"), "verify/a%20b.json");
        assert_eq!(uri("\\u{a}:é"), "%5Cu%7Ba%7D%3A%C3%A9");
        assert_eq!(uri("."), ".");
    }
}
