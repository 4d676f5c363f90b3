//! Which promises this program carries, for the packs that it makes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Serialize;

use super::document::{Level, Status};
use super::embedded::documents;
use crate::digest::Digest;
use crate::json;

/// The format of the list.
const FORMAT: &str = "bp-contracts/1";

#[derive(Serialize)]
struct Carried<'a> {
    format: &'static str,
    contracts: Vec<One<'a>>,
}

/// A contract. Its levels are those that it claims: nothing is measured where a pack is made.
#[derive(Serialize)]
struct One<'a> {
    id: &'a str,
    version: &'a str,
    status: Status,
    sha256: Digest,
    claimed: BTreeMap<&'a str, Level>,
}

/// The canonical bytes of `contracts.json`.
#[must_use]
pub fn carried() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let contracts = documents().iter().map(|document| One {
            id: &document.stem,
            version: &document.contract.metadata.version,
            status: document.contract.metadata.status,
            sha256: document.sha256(),
            claimed: document
                .contract
                .falsification_tests
                .iter()
                .map(|falsifier| (falsifier.id.as_str(), falsifier.level))
                .collect(),
        });
        json::canonical(&Carried { format: FORMAT, contracts: contracts.collect() })
    });
    &BYTES
}
