//! `provider.toml`: what people say about the AI system. Everything in it is optional, and nothing else may stand in it.

pub mod fields;
mod init;
mod parse;
mod watch;

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::digest::Digest;
use crate::pack::path::PackPath;

use super::model::Kind;

pub use init::template;
pub use parse::{ProviderError, parse};
pub(super) use parse::{nearest, place};
pub use watch::Warning;

/// The format.
pub const FORMAT: &str = "bp/provider/0.1";
/// A file is no longer than this.
pub const MAX_BYTES: usize = 1 << 20;
/// The folder of attachments in a pack.
pub const ATTACHMENTS: &str = "annex/attachments";

/// Where an attachment lies in a pack.
#[must_use]
pub fn stored_at(name: &PackPath) -> String {
    format!("{ATTACHMENTS}/{name}")
}

/// How the file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// TOML 1.
    Toml,
    /// Strict JSON.
    Json,
}

impl Syntax {
    /// JSON begins with a brace; everything else is read as TOML.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'{') { Self::Json } else { Self::Toml }
    }

    /// Where the file lies in a pack.
    #[must_use]
    pub const fn stored_at(self) -> &'static str {
        match self {
            Self::Toml => "annex/provider.toml",
            Self::Json => "annex/provider.json",
        }
    }
}

/// The value of a field. There is none for what is empty: an absent answer is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// Texts; of a table, `key: value, key: value`.
    Items(Vec<String>),
    /// True.
    Yes,
    /// A day.
    Date(Date),
    /// A digest.
    Digest(Digest),
    /// Paths of attachments.
    Files(Vec<PackPath>),
    /// Ids: of a person, of roles, of points.
    Ids(Vec<String>),
}

impl Value {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Items(items) => items.join("; "),
            Self::Yes => "yes".to_owned(),
            Self::Date(date) => date.to_string(),
            Self::Digest(digest) => digest.to_string(),
            Self::Files(paths) => paths.iter().map(PackPath::as_str).collect::<Vec<_>>().join("; "),
            Self::Ids(ids) => ids.join(", "),
        }
    }
}

/// One table of the file: what its keys hold, by key. A file may have thousands, of a few keys each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record(Vec<(&'static str, Value)>);

impl Record {
    fn place(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| (*known).cmp(key))
    }

    fn set(&mut self, key: &'static str, value: Value) {
        match self.place(key) {
            Ok(place) => self.0[place].1 = value,
            Err(place) => self.0.insert(place, (key, value)),
        }
    }

    /// What a key holds; none where it holds nothing.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.place(key).ok().map(|place| &self.0[place].1)
    }

    /// The text of a key.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        self.value(key).map(Value::text)
    }

    /// The ids of a key.
    #[must_use]
    pub fn ids(&self, key: &str) -> &[String] {
        match self.value(key) {
            Some(Value::Ids(ids)) => ids,
            _ => &[],
        }
    }

    /// The files of a key.
    #[must_use]
    pub fn files(&self, key: &str) -> &[PackPath] {
        match self.value(key) {
            Some(Value::Files(files)) => files,
            _ => &[],
        }
    }

    /// The digest of a key.
    #[must_use]
    pub fn digest(&self, key: &str) -> Option<Digest> {
        match self.value(key) {
            Some(Value::Digest(digest)) => Some(*digest),
            _ => None,
        }
    }

    /// The day of a key.
    #[must_use]
    pub fn date(&self, key: &str) -> Option<Date> {
        match self.value(key) {
            Some(Value::Date(date)) => Some(*date),
            _ => None,
        }
    }
}

/// A provider's file, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    sections: BTreeMap<&'static str, Vec<Record>>,
    syntax: Syntax,
    sha256: Digest,
    warnings: Vec<Warning>,
}

impl Provider {
    /// The tables of a section, in their order.
    #[must_use]
    pub fn records(&self, section: &str) -> &[Record] {
        self.sections.get(section).map_or(&[], Vec::as_slice)
    }

    /// What a field holds in a section that stands there once.
    #[must_use]
    pub fn value(&self, id: &str) -> Option<&Value> {
        let (section, key) = id.rsplit_once('.').unwrap_or(("", id));
        self.records(section).first()?.value(key)
    }

    /// How the file is written.
    #[must_use]
    pub fn syntax(&self) -> Syntax {
        self.syntax
    }

    /// The digest of its bytes.
    #[must_use]
    pub fn sha256(&self) -> Digest {
        self.sha256
    }

    /// What the file holds that should rather stay out of it.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The files that it names: each is to be read from beside it and stored at [`stored_at`]. Sorted, each once.
    #[must_use]
    pub fn attachments(&self) -> Vec<(PackPath, Kind)> {
        let mut named = BTreeMap::new();
        for section in fields::SECTIONS {
            for record in self.records(section.name) {
                for field in section.fields {
                    if let fields::Shape::File(kind) | fields::Shape::Files(kind) = field.shape {
                        for path in record.files(field.key) {
                            let known = named.entry(path.clone()).or_insert(kind);
                            // A document that is attached for several reasons is what it is, rather than `other`.
                            if *known == Kind::Other {
                                *known = kind;
                            }
                        }
                    }
                }
            }
        }
        named.into_iter().collect()
    }

    /// The person of an id.
    #[must_use]
    pub fn person(&self, id: &str) -> Option<&Record> {
        self.records("person").iter().find(|person| person.text("id").as_deref() == Some(id))
    }
}
