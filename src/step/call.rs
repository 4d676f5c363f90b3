//! What a beacon asks to be revealed of a run, and how much of it is shown.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::commit::{Asked, Challenge, Commits};
use super::judge::{Row, State};
use super::record::{Record, Refusal};
use super::rule;
use crate::json;
use crate::schema::{self, Schema};

/// The format of [`Call`].
pub const FORMAT: &str = "tensor-step-challenge.v1";

/// A beacon is no longer than this.
const MAX_BYTES: usize = 1024;

/// A public random number of a later time than the commitments, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beacon(Vec<u8>);

/// Text that is no beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an even number of hexadecimal digits is expected, and at most 2048")]
pub struct InvalidBeacon;

impl Beacon {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Beacon {
    type Err = InvalidBeacon;

    fn from_str(text: &str) -> Result<Self, InvalidBeacon> {
        let plain = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = |pair: &[u8]| match pair {
            [_, _] => std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()),
            _ => None,
        };
        match text.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>() {
            Some(bytes) if plain && (1..=MAX_BYTES).contains(&bytes.len()) => Ok(Self(bytes)),
            _ => Err(InvalidBeacon),
        }
    }
}

impl fmt::Display for Beacon {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// How a challenge is drawn: `tensor-step-challenge.v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The beacon.
    pub beacon: Beacon,
    /// How many steps at least.
    pub steps: u64,
    /// How many tensors, and modules, of each.
    pub tensors: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    format: String,
    beacon: String,
    steps: u64,
    tensors: usize,
}

impl Call {
    /// The call that `bytes` hold.
    ///
    /// # Errors
    /// [`Refusal`], with the place.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let value = json::parse(bytes)?;
        schema::validate(Schema::StepChallenge, &value).map_err(Refusal::Schema)?;
        let refused = |at: &str, reason: String| Refusal::Record { at: at.to_owned(), reason };
        let Wire { beacon, steps, tensors, .. } =
            serde_json::from_value(value).map_err(|error| refused("the challenge", error.to_string()))?;
        let beacon = beacon.parse().map_err(|error: InvalidBeacon| refused("/beacon", error.to_string()))?;
        Ok(Self { beacon, steps, tensors })
    }

    /// Its bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let Self { beacon, steps, tensors } = self;
        json::canonical(&Wire {
            format: FORMAT.to_owned(),
            beacon: beacon.to_string(),
            steps: *steps,
            tensors: *tensors,
        })
    }
}

/// What was published of a run: commitments to all of its steps, and what a later beacon asks of them.
#[derive(Debug, Clone)]
pub struct Published {
    /// The commitments.
    pub commits: Commits,
    /// How a challenge is drawn; none where nothing was asked.
    pub call: Option<Call>,
}

/// A step that is asked for, and what of it is not shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// What is asked for.
    pub asked: Asked,
    /// Whether the step is shown.
    pub shown: bool,
    /// Tensors and modules of it that are not.
    pub missing: Vec<String>,
}

/// A challenge, and how much of it is answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What is asked for.
    pub challenge: Challenge,
    /// Each step that is, in order.
    pub steps: Vec<Answered>,
    /// Steps that are shown, and that nobody asked for.
    pub unasked: Vec<u64>,
}

impl Published {
    /// Whether a step is of the run that is committed to.
    #[must_use]
    pub fn is_of(&self, record: &Record) -> bool {
        record.run == self.commits.run()
    }

    /// The bytes of the beacon.
    #[must_use]
    pub fn beacon(&self) -> Option<&[u8]> {
        self.call.as_ref().map(|call| call.beacon.as_bytes())
    }

    /// How the steps that are shown, all of the run, answer what is asked. None where nothing is.
    #[must_use]
    pub fn answer(&self, shown: &[&Record]) -> Option<Answer> {
        let call = self.call.as_ref()?;
        let challenge = self.commits.challenge(call.beacon.as_bytes(), call.steps, call.tensors);
        let answered = |asked: &Asked| {
            let record = shown.iter().find(|record| record.step == asked.step);
            let has_tensor = |name: &&String| {
                record.is_some_and(|record| record.params.iter().any(|param| param.name == **name))
            };
            let has_module = |name: &&String| {
                record.is_some_and(|record| record.linear.iter().any(|module| module.module == **name))
            };
            let tensors = asked.tensors.iter().filter(|name| !has_tensor(name));
            let modules = asked.modules.iter().filter(|name| !has_module(name));
            Answered {
                asked: asked.clone(),
                shown: record.is_some(),
                missing: tensors.chain(modules).cloned().collect(),
            }
        };
        let steps: Vec<Answered> = challenge.steps.iter().map(answered).collect();
        let unasked = shown.iter().map(|record| record.step);
        let unasked =
            unasked.filter(|step| challenge.steps.iter().all(|asked| asked.step != *step)).collect();
        Some(Answer { challenge, steps, unasked })
    }
}

impl Answer {
    /// Whether everything that is asked for is shown.
    #[must_use]
    pub fn row(&self) -> Row {
        let missing: Vec<&Answered> = self.steps.iter().filter(|step| !step.is_whole()).collect();
        let note = missing.first().map_or(String::new(), |step| {
            let number = step.asked.step;
            if step.shown {
                format!("of step {number}, {} is asked for and not shown", step.missing.join(", "))
            } else {
                format!("step {number} is asked for and not shown")
            }
        });
        let row = Row::held(&rule::CHALLENGE, self.steps.len() as u64, missing.len() as u64, note);
        debug_assert_ne!(row.state, State::NotApplicable);
        row
    }
}

impl Answered {
    /// Whether all that is asked for of the step is shown.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.shown && self.missing.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beacon_is_what_it_displays() {
        let beacon: Beacon = "5EED00".parse().unwrap();
        assert_eq!((beacon.to_string(), beacon.as_bytes()), ("5eed00".to_owned(), &[0x5e, 0xed, 0][..]));
        for text in ["", "5", "5g", "5e ed", "+5", "é1"] {
            assert_eq!(text.parse::<Beacon>(), Err(InvalidBeacon), "{text:?}");
        }
    }

    #[test]
    fn a_call_is_read_as_it_is_written() {
        let call = Call { beacon: "5eed".parse().unwrap(), steps: 9, tensors: 2 };
        assert_eq!(Call::parse(&call.to_bytes()).unwrap(), call);
        for text in [
            r#"{"format":"tensor-step-challenge.v1","beacon":"5eed","steps":0,"tensors":2}"#,
            r#"{"format":"tensor-step-challenge.v1","beacon":"5ee","steps":1,"tensors":2}"#,
            r#"{"format":"tensor-step-challenge.v2","beacon":"5eed","steps":1,"tensors":2}"#,
            r#"{"format":"tensor-step-challenge.v1","beacon":"5eed","steps":1,"tensors":2,"more":0}"#,
        ] {
            assert!(Call::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
