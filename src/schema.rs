//! The one place where a document is validated against a schema (JSON Schema 2020-12).
//!
//! The schemas are part of the program. Each is compiled when it is first needed, once per process, and its
//! references lead to other embedded schemas only: nothing is ever read from disk or fetched.

use std::fmt;
use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::LocationSegment;
use jsonschema::{PatternOptions, Retrieve, Uri, ValidationError, Validator};
use serde::Serialize;
use serde_json::Value;

use crate::pointer::{Pointer, Token};
use crate::receipt::version::{ReceiptVersion, TraceVersion};

/// No more violations than this are told of one document.
pub const MAX_VIOLATIONS: usize = 64;

/// A value or a name from a document appears in a message with no more characters than this.
const MAX_ECHO: usize = 64;

/// A document that we read or write, by the schema it answers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Schema {
    /// A receipt: one step of training, with everything that its re-derivation needs.
    Receipt(ReceiptVersion),
    /// A framework's own account of a step, from which a receipt is made.
    FrameworkTrace(TraceVersion),
    /// A network, its parameters and one sample, from which the engine authors a step.
    TopologyInput,
    /// The manifest of a pack.
    PackManifest,
    /// What judging one input came to.
    Verdict,
    /// What judging a trace came to.
    TraceVerdict,
    /// What judging an input that holds a trace came to.
    TracedVerdict,
    /// What the inputs of a pack come to together.
    FinalVerdict,
    /// How far each rule reached.
    RuleCoverage,
    /// What each scenario of a suite came to.
    ScenarioSummary,
    /// What the scenarios of each category came to.
    CategorySummary,
    /// Whether each input came to the same bytes every time.
    DeterminismRepeats,
    /// What checking a pack came to.
    PackVerify,
    /// What a pack says.
    PackShow,
    /// What changed between two packs.
    PackDiff,
    /// The packs of a folder.
    PackList,
    /// What a training run was.
    Run,
    /// The answer to Annex IV.
    AnnexIv,
    /// What Annex IV asks for.
    AnnexIvCatalogue,
    /// One step of an optimizer over the tensors of a model.
    TensorStep,
    /// How the steps to be revealed of a run are drawn.
    StepChallenge,
    /// The captured stages of one forward pass.
    TensorIndex,
    /// What is promised, and what would show that it is broken.
    Contract,
    /// A run of the program on record.
    Evidence,
    /// Which promises the maker of a pack carried.
    Carried,
    /// What judging such a step came to.
    Step,
    /// What the commands on such steps say.
    StepSaid,
    /// What the sampled steps of a pack come to together.
    Steps,
    /// What comparing two captures came to.
    TensorDiff,
    /// What checking a forward pass from its captured stages came to.
    TensorCheck,
    /// What a command says when it could not do what was asked.
    Error,
}

/// One place where a document breaks its schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Where in the document: the object for a missing property, the property itself for one that does not belong.
    pub at: Pointer,
    /// The keyword that is not met.
    pub keyword: String,
    /// Where the keyword stands: the schema's identifier and a JSON Pointer.
    pub schema_path: String,
    /// What is wrong, for people; bounded in length.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.at.as_str().is_empty() { "the document" } else { self.at.as_str() };
        write!(formatter, "{at}: {}", self.message)
    }
}

/// An embedded schema: the one registration that a file in `schemas/` or `contracts/` needs.
struct Embedded {
    /// The documents that answer to it; none for definitions that other schemas share, and for a file that is no JSON.
    schema: Option<Schema>,
    /// Its identifier, `$id`.
    id: &'static str,
    /// Its file, from the top of the repository.
    path: &'static str,
    text: &'static str,
    validator: OnceLock<Validator>,
}

macro_rules! embedded {
    ($($schema:expr, $id:literal, $path:literal;)*) => {
        [$(Embedded {
            schema: $schema,
            id: $id,
            path: $path,
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path)),
            validator: OnceLock::new(),
        }),*]
    };
}

#[rustfmt::skip]
static TABLE: [Embedded; 49] = embedded! {
    None, "urn:bp:schema:blocks", "schemas/blocks.schema.json";
    None, "urn:bp:schema:receipt", "schemas/receipt.schema.json";
    None, "urn:bp:schema:framework-trace", "schemas/framework-trace.schema.json";
    Some(Schema::Receipt(ReceiptVersion::V0_1_0)), "urn:bp:schema:receipt:0.1.0", "schemas/receipt.v0.1.0.schema.json";
    Some(Schema::Receipt(ReceiptVersion::V0_2_0)), "urn:bp:schema:receipt:0.2.0", "schemas/receipt.v0.2.0.schema.json";
    Some(Schema::Receipt(ReceiptVersion::V0_3_0)), "urn:bp:schema:receipt:0.3.0", "schemas/receipt.v0.3.0.schema.json";
    Some(Schema::Receipt(ReceiptVersion::V0_4_0)), "urn:bp:schema:receipt:0.4.0", "schemas/receipt.v0.4.0.schema.json";
    Some(Schema::Receipt(ReceiptVersion::V0_5_0)), "urn:bp:schema:receipt:0.5.0", "schemas/receipt.v0.5.0.schema.json";
    Some(Schema::Receipt(ReceiptVersion::V0_6_0)), "urn:bp:schema:receipt:0.6.0", "schemas/receipt.v0.6.0.schema.json";
    Some(Schema::Receipt(ReceiptVersion::V0_7_0)), "urn:bp:schema:receipt:0.7.0", "schemas/receipt.v0.7.0.schema.json";
    Some(Schema::Receipt(ReceiptVersion::V0_8_0)), "urn:bp:schema:receipt:0.8.0", "schemas/receipt.v0.8.0.schema.json";
    Some(Schema::FrameworkTrace(TraceVersion::V0_1_0)), "urn:bp:schema:framework-trace:0.1.0", "schemas/framework-trace.v0.1.0.schema.json";
    Some(Schema::FrameworkTrace(TraceVersion::V0_2_0)), "urn:bp:schema:framework-trace:0.2.0", "schemas/framework-trace.v0.2.0.schema.json";
    Some(Schema::FrameworkTrace(TraceVersion::V0_3_0)), "urn:bp:schema:framework-trace:0.3.0", "schemas/framework-trace.v0.3.0.schema.json";
    Some(Schema::FrameworkTrace(TraceVersion::V0_4_0)), "urn:bp:schema:framework-trace:0.4.0", "schemas/framework-trace.v0.4.0.schema.json";
    Some(Schema::FrameworkTrace(TraceVersion::V0_5_0)), "urn:bp:schema:framework-trace:0.5.0", "schemas/framework-trace.v0.5.0.schema.json";
    Some(Schema::FrameworkTrace(TraceVersion::V0_6_0)), "urn:bp:schema:framework-trace:0.6.0", "schemas/framework-trace.v0.6.0.schema.json";
    Some(Schema::FrameworkTrace(TraceVersion::V0_7_0)), "urn:bp:schema:framework-trace:0.7.0", "schemas/framework-trace.v0.7.0.schema.json";
    Some(Schema::FrameworkTrace(TraceVersion::V0_8_0)), "urn:bp:schema:framework-trace:0.8.0", "schemas/framework-trace.v0.8.0.schema.json";
    None, "urn:bp:schema:trust:1", "schemas/trust.schema.json";
    Some(Schema::TopologyInput), "urn:bp:schema:topology-input:0.4.0", "schemas/topology-input.v0.4.0.schema.json";
    Some(Schema::PackManifest), "urn:bp:contract:pack-manifest:1", "contracts/pack_manifest.schema.json";
    Some(Schema::Verdict), "urn:bp:contract:verdict:1", "contracts/verdict.schema.json";
    Some(Schema::TraceVerdict), "urn:bp:contract:trace-verdict:1", "contracts/trace_verdict.schema.json";
    Some(Schema::TracedVerdict), "urn:bp:contract:traced-verdict:1", "contracts/traced_verdict.schema.json";
    Some(Schema::FinalVerdict), "urn:bp:contract:final-verdict:1", "contracts/final_verdict.schema.json";
    Some(Schema::RuleCoverage), "urn:bp:contract:rule-coverage:1", "contracts/rule_coverage.schema.json";
    Some(Schema::ScenarioSummary), "urn:bp:contract:scenario-summary:1", "contracts/scenario_summary.schema.json";
    Some(Schema::CategorySummary), "urn:bp:contract:category-summary:1", "contracts/category_summary.schema.json";
    Some(Schema::DeterminismRepeats), "urn:bp:contract:determinism:1", "contracts/determinism_repeats.schema.json";
    Some(Schema::PackVerify), "urn:bp:contract:pack-verify:1", "contracts/pack_verify.schema.json";
    Some(Schema::PackShow), "urn:bp:contract:pack-show:1", "contracts/pack_show.schema.json";
    Some(Schema::PackDiff), "urn:bp:contract:pack-diff:1", "contracts/pack_diff.schema.json";
    Some(Schema::PackList), "urn:bp:contract:pack-list:1", "contracts/pack_list.schema.json";
    Some(Schema::Run), "urn:bp:contract:run:1", "contracts/run.schema.json";
    Some(Schema::AnnexIv), "urn:bp:contract:annex-iv:0.1", "contracts/annex_iv.schema.json";
    Some(Schema::AnnexIvCatalogue), "urn:bp:schema:annex-iv-catalogue:0.1", "schemas/annex-iv.catalogue.schema.json";
    Some(Schema::TensorStep), "urn:bp:schema:tensor-step:1", "schemas/tensor-step.v1.schema.json";
    Some(Schema::StepChallenge), "urn:bp:schema:step-challenge:1", "schemas/step-challenge.v1.schema.json";
    Some(Schema::TensorIndex), "urn:bp:schema:tensor-index:1", "schemas/tensor-index.v1.schema.json";
    Some(Schema::Contract), "urn:bp:schema:contract:1", "schemas/contract.v1.schema.json";
    Some(Schema::Evidence), "urn:bp:schema:evidence:1", "schemas/evidence.v1.schema.json";
    Some(Schema::Carried), "urn:bp:contract:contracts:1", "contracts/contracts.schema.json";
    Some(Schema::Step), "urn:bp:contract:step:1", "contracts/step.schema.json";
    Some(Schema::StepSaid), "urn:bp:contract:step-said:1", "contracts/step_said.schema.json";
    Some(Schema::Steps), "urn:bp:contract:steps:1", "contracts/steps.schema.json";
    Some(Schema::TensorDiff), "urn:bp:contract:tensor-diff:1", "contracts/tensor_diff.schema.json";
    Some(Schema::TensorCheck), "urn:bp:contract:tensor-check:1", "contracts/tensor_check.schema.json";
    Some(Schema::Error), "urn:bp:contract:error:1", "contracts/error.schema.json";
};

/// Validates a document. The places told are the first [`MAX_VIOLATIONS`], and never none.
///
/// # Errors
/// The places where `value` breaks the schema.
pub fn validate(schema: Schema, value: &Value) -> Result<(), Vec<Violation>> {
    let validator = schema.embedded().validator();
    if validator.is_valid(value) {
        return Ok(());
    }
    Err(validator.iter_errors(value).flat_map(|error| Violation::of(&error)).take(MAX_VIOLATIONS).collect())
}

/// Every embedded schema: its file, from the top of the repository, and its text.
pub fn embedded() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().map(|embedded| (embedded.path, embedded.text))
}

impl Schema {
    /// Every kind and version of document, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().filter_map(|embedded| embedded.schema)
    }

    /// The identifier of the schema, `$id`.
    #[must_use]
    pub fn id(self) -> &'static str {
        self.embedded().id
    }

    fn embedded(self) -> &'static Embedded {
        TABLE
            .iter()
            .find(|embedded| embedded.schema == Some(self))
            .expect("every document has a row in the table")
    }
}

impl Embedded {
    fn parse(&self) -> Value {
        serde_json::from_str(self.text).expect("an embedded schema is JSON")
    }

    fn validator(&self) -> &Validator {
        self.validator.get_or_init(|| {
            jsonschema::options()
                .with_retriever(Table)
                .with_pattern_options(PatternOptions::regex())
                .build(&self.parse())
                .expect("an embedded schema compiles")
        })
    }
}

/// References lead into the table, or nowhere.
struct Table;

impl Retrieve for Table {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Value, Box<dyn std::error::Error + Send + Sync>> {
        let embedded = TABLE.iter().find(|embedded| embedded.id == uri.as_str());
        embedded.map(Embedded::parse).ok_or_else(|| format!("no embedded schema {uri}").into())
    }
}

impl Violation {
    /// What one error of the validator says: one violation, or one per property that does not belong.
    fn of(error: &ValidationError<'_>) -> Vec<Self> {
        let at = error.instance_path().iter().fold(Pointer::default(), |pointer, segment| match segment {
            LocationSegment::Property(key) => pointer.join(Token::Key(&key)),
            LocationSegment::Index(index) => pointer.join(Token::Index(index)),
        });
        let schema_path = error
            .absolute_keyword_location()
            .map_or_else(|| error.schema_path().as_str().to_owned(), |uri| uri.as_str().to_owned());
        let one = |at: Pointer, keyword: &str, message: String| Self {
            at,
            keyword: keyword.to_owned(),
            schema_path: schema_path.clone(),
            message,
        };
        let found = || shown(error.instance());
        let count = || match &**error.instance() {
            Value::Array(elements) => elements.len(),
            Value::Object(members) => members.len(),
            _ => 0,
        };
        let message = match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let of_key = |key: &String| {
                    let message = format!("unknown property {}", shown_text(key));
                    one(at.clone().join(Token::Key(key)), "additionalProperties", message)
                };
                return unexpected.iter().take(MAX_VIOLATIONS).map(of_key).collect();
            }
            ValidationErrorKind::PropertyNames { error } => {
                let key = error.instance().as_str().unwrap_or_default().to_owned();
                let message = format!("unknown property {}", shown_text(&key));
                return vec![one(at.join(Token::Key(&key)), "propertyNames", message)];
            }
            ValidationErrorKind::FalseSchema => {
                let message = "this property is not part of this version".to_owned();
                return vec![one(at, "additionalProperties", message)];
            }
            ValidationErrorKind::Required { property } => {
                format!("required property {} is missing", shown(property))
            }
            ValidationErrorKind::Type { .. } => {
                format!("{} has the wrong type, expected {}", found(), expected_types(error))
            }
            ValidationErrorKind::Enum { options } => {
                let options: Vec<_> = options.as_array().into_iter().flatten().map(shown).collect();
                format!("{} is not one of {}", found(), options.join(", "))
            }
            ValidationErrorKind::Constant { expected_value } => {
                format!("{} is not {}", found(), shown(expected_value))
            }
            ValidationErrorKind::Minimum { limit } => format!("{} is less than {limit}", found()),
            ValidationErrorKind::Maximum { limit } => format!("{} is greater than {limit}", found()),
            ValidationErrorKind::ExclusiveMinimum { limit } => {
                format!("{} is not greater than {limit}", found())
            }
            ValidationErrorKind::ExclusiveMaximum { limit } => {
                format!("{} is not less than {limit}", found())
            }
            ValidationErrorKind::Pattern { pattern } => format!("{} does not match {pattern}", found()),
            ValidationErrorKind::MinLength { limit } => {
                format!("{} is shorter than {limit} characters", found())
            }
            ValidationErrorKind::MinItems { limit } => format!("{} elements, fewer than {limit}", count()),
            ValidationErrorKind::MaxItems { limit } => format!("{} elements, more than {limit}", count()),
            ValidationErrorKind::MaxProperties { limit } => {
                format!("{} properties, more than {limit}", count())
            }
            ValidationErrorKind::UniqueItems => "two elements are equal".to_owned(),
            kind => format!("{} does not meet {:?}", found(), kind.keyword()),
        };
        let keyword = error.kind().keyword().to_owned();
        vec![one(at, &keyword, message)]
    }
}

fn expected_types(error: &ValidationError<'_>) -> String {
    use jsonschema::error::TypeKind;
    match error.kind() {
        ValidationErrorKind::Type { kind: TypeKind::Single(one) } => one.to_string(),
        ValidationErrorKind::Type { kind: TypeKind::Multiple(several) } => {
            several.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    }
}

/// A value in few characters: a scalar as JSON, a container by its kind.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) => shown_text(text),
        scalar => scalar.to_string(),
    }
}

/// A text in quotes, cut to a bounded length.
fn shown_text(text: &str) -> String {
    match text.char_indices().nth(MAX_ECHO) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_compiles_and_every_reference_resolves() {
        for embedded in &TABLE {
            assert_eq!(embedded.parse()["$id"], embedded.id, "{}", embedded.path);
            embedded.validator();
        }
    }

    #[test]
    fn a_reference_out_of_the_table_leads_nowhere() {
        for uri in ["https://example.com/schema.json", "file:///etc/hosts", "urn:bp:schema:receipt:0.9.0"] {
            let schema = serde_json::json!({ "$ref": uri });
            assert!(jsonschema::options().with_retriever(Table).build(&schema).is_err(), "{uri}");
        }
    }
}
