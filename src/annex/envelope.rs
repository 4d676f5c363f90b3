//! A change envelope: how far a retraining may go, declared before it happens (point 2(f)), and whether one stayed inside.
//!
//! A provider attaches it as a file that ends in `.envelope.json`:
//!
//! ```json
//! { "schema": "bp/envelope/0.1", "settings": { "learning_rate": { "min": 0.0001, "max": 0.01 }, "optimizer": { "one_of": ["adamw"] } } }
//! ```
//!
//! What it does not name it does not limit, and whether it is safe it does not say.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::json;

/// What the names of envelopes end in.
pub const SUFFIX: &str = ".envelope.json";
/// An envelope is no longer than this.
const MAX_BYTES: usize = 1 << 16;
/// A value is told up to this many letters.
const MAX_TOLD: usize = 80;

/// The limits of a retraining, by the names of settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope(BTreeMap<String, Limit>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    schema: Format,
    settings: BTreeMap<String, Limit>,
}

#[derive(Deserialize)]
enum Format {
    #[serde(rename = "bp/envelope/0.1")]
    V0,
}

/// What a setting may be. At least one bound is stated.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    #[serde(default)]
    min: Option<f64>,
    #[serde(default)]
    max: Option<f64>,
    #[serde(default)]
    one_of: Option<Vec<Value>>,
}

/// How a retraining stands to an envelope, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Every setting that it limits was recorded, and lies within.
    Inside,
    /// A setting that it limits was not recorded.
    NotShown,
    /// A setting lies outside.
    Outside,
}

/// One limited setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The setting.
    pub setting: String,
    /// What it may be.
    pub allowed: String,
    /// What was recorded.
    pub recorded: Vec<String>,
    /// How that stands.
    pub standing: Standing,
}

/// An envelope, and how the runs of a pack stand to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Where it lies in the pack.
    pub path: String,
    /// The digest of its bytes.
    pub sha256: Digest,
    /// How the runs stand to it.
    pub standing: Standing,
    /// Whether the pack before carries it too, so that it was declared before this training ended.
    pub declared_before: bool,
    /// Its limits, one by one.
    pub rows: Vec<Row>,
}

impl Held {
    /// Whether it shows that a pre-determined change stayed what was determined.
    #[must_use]
    pub fn shows(&self) -> bool {
        self.declared_before && self.standing == Standing::Inside
    }
}

impl Envelope {
    /// The envelope in these bytes.
    ///
    /// # Errors
    /// What is wrong, in words: also an envelope that limits nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_BYTES {
            return Err(format!("an envelope is at most {MAX_BYTES} bytes long"));
        }
        let value = json::parse(bytes).map_err(|error| error.to_string())?;
        let Wire { schema: Format::V0, settings } =
            serde_json::from_value(value).map_err(|error| error.to_string())?;
        let empty = |limit: &Limit| limit.min.is_none() && limit.max.is_none() && limit.one_of.is_none();
        match settings.iter().find(|(_, limit)| empty(limit)) {
            Some((name, _)) => Err(format!("{name:?} has no limit")),
            None if settings.is_empty() => Err("it limits nothing".to_owned()),
            None => Ok(Self(settings)),
        }
    }

    /// How runs stand to it. `recorded` answers every value that a setting was recorded with, each of each run; a run
    /// that did not record it answers `None`.
    #[must_use]
    pub fn hold(&self, recorded: &dyn Fn(&str) -> Vec<Option<Value>>) -> (Standing, Vec<Row>) {
        let row = |(name, limit): (&String, &Limit)| {
            let values = recorded(name);
            let standing = values.iter().map(|value| limit.standing(value.as_ref())).max();
            Row {
                setting: name.clone(),
                allowed: limit.told(),
                recorded: values.iter().flatten().map(told).collect(),
                standing: standing.unwrap_or(Standing::NotShown),
            }
        };
        let rows: Vec<Row> = self.0.iter().map(row).collect();
        (rows.iter().map(|row| row.standing).max().unwrap_or(Standing::NotShown), rows)
    }
}

impl Limit {
    fn standing(&self, value: Option<&Value>) -> Standing {
        let Some(value) = value else { return Standing::NotShown };
        let bounded = self.min.is_some() || self.max.is_some();
        // NaN is inside of nothing.
        let number = value.as_f64();
        let within = number.is_some_and(|number| {
            self.min.is_none_or(|min| number >= min) && self.max.is_none_or(|max| number <= max)
        });
        let listed = self.one_of.as_ref().is_none_or(|values| values.iter().any(|one| same(one, value)));
        if (!bounded || within) && listed { Standing::Inside } else { Standing::Outside }
    }

    fn told(&self) -> String {
        let parts = [
            self.min.map(|min| format!("at least {min}")),
            self.max.map(|max| format!("at most {max}")),
            self.one_of.as_ref().map(|values| {
                let values: Vec<String> = values.iter().map(told).collect();
                format!("one of {}", values.join(", "))
            }),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

/// Equal values; numbers by their value.
fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() <= 0.0,
        _ => one == other,
    }
}

/// A value for people.
pub fn told(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().take(MAX_TOLD).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn standing(limit: &Value, values: &[Option<Value>]) -> Standing {
        let text = json!({ "schema": "bp/envelope/0.1", "settings": { "lr": limit } }).to_string();
        Envelope::parse(text.as_bytes()).unwrap().hold(&|_| values.to_vec()).0
    }

    #[test]
    fn a_setting_that_was_not_recorded_is_not_inside() {
        let limit = json!({ "min": 0.1, "max": 0.5 });
        for (values, wanted) in [
            (vec![Some(json!(0.1)), Some(json!(0.5))], Standing::Inside),
            (vec![Some(json!(0.1)), Some(json!(0.6))], Standing::Outside),
            (vec![Some(json!(0.2)), None], Standing::NotShown),
            (vec![None, Some(json!(0.6))], Standing::Outside),
            (vec![], Standing::NotShown),
            (vec![Some(json!("0.2"))], Standing::Outside),
            (vec![Some(json!("NaN"))], Standing::Outside),
        ] {
            assert_eq!(standing(&limit, &values), wanted, "{values:?}");
        }
        let named = json!({ "one_of": ["adam", 1] });
        assert_eq!(standing(&named, &[Some(json!("adam")), Some(json!(1.0))]), Standing::Inside);
        assert_eq!(standing(&named, &[Some(json!("sgd"))]), Standing::Outside);
    }

    #[test]
    fn an_envelope_that_limits_nothing_is_none() {
        for text in [
            r#"{"schema":"bp/envelope/0.1","settings":{}}"#,
            r#"{"schema":"bp/envelope/0.1","settings":{"lr":{}}}"#,
            r#"{"schema":"bp/envelope/0.1","settings":{"lr":{"most":1}}}"#,
            r#"{"schema":"bp/envelope/9","settings":{"lr":{"max":1}}}"#,
            r#"{"schema":"bp/envelope/0.1","settings":{"lr":{"max":1},"lr":{"max":2}}}"#,
            "",
        ] {
            assert!(Envelope::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
