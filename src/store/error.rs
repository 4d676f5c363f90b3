//! Why a store did not do what was asked.

use std::io;
use std::path::PathBuf;

use super::url::UrlError;
use crate::digest::Digest;

/// What went wrong with a store. No variant holds what a server sent beyond a short code, nor a header of a request, so
/// no credential can stand in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No URL of a store.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// What is asked for is not what this kind of store, or this URL, can do.
    #[error("{place}: {what}")]
    Unsupported {
        /// Where.
        place: String,
        /// What cannot be done, and what can.
        what: String,
    },
    /// The environment does not say what the store needs.
    #[error("{place}: {what}")]
    Settings {
        /// Where.
        place: String,
        /// What is missing, by the names of variables.
        what: String,
    },
    /// There is nothing of that name.
    #[error("{place}: there is nothing of that name")]
    NotFound {
        /// Where.
        place: String,
    },
    /// The credentials are missing or do not suffice.
    #[error("{place}: the server refused the credentials: {reason}")]
    Denied {
        /// Where.
        place: String,
        /// The status, and the store's own code.
        reason: String,
    },
    /// Other bytes stand under that name.
    #[error("{place}: other bytes stand under this name, and nothing in a store is ever replaced")]
    Taken {
        /// Where.
        place: String,
    },
    /// The server answered with an error.
    #[error("{place}: the server answered {reason}")]
    Answer {
        /// Where.
        place: String,
        /// The status, and the store's own code.
        reason: String,
    },
    /// The server could not be reached, or went away, as often as it was tried.
    #[error("{place}: {reason}, tried {tries} times")]
    Unreachable {
        /// Where.
        place: String,
        /// What was seen last.
        reason: String,
        /// How often.
        tries: u32,
    },
    /// What the store gives back is not what was sent.
    #[error(
        "{place}: the store gives back {found_bytes} bytes with the digest {found}; {sent_bytes} with {sent} were sent"
    )]
    Differs {
        /// Where.
        place: String,
        /// What was sent.
        sent: Digest,
        /// How long it was.
        sent_bytes: u64,
        /// What came back.
        found: Digest,
        /// How long that was.
        found_bytes: u64,
    },
    /// What is read is no longer what it was.
    #[error("{place}: changed while it was read")]
    Changed {
        /// Where.
        place: String,
    },
    /// A file on this machine.
    #[error("{path}: {source}", path = .path.display())]
    Local {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}
