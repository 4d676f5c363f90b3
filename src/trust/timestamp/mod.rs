//! Time stamps (RFC 3161, RFC 5816): an authority's signed word that some bytes, by their SHA-256, were there at a time.
//!
//! A token holds by itself, or not: its form, the bytes that it is about, its signature and the purpose of its key
//! ([`Token::claim`]). It shows something only to who names a certificate above its key ([`Token::open`]); nothing that
//! comes with it is trusted. No revocation list is looked at: a recipient names the authorities that are believed.

mod algorithm;
mod chain;
mod reader;
mod request;
mod token;

pub use chain::{Anchor, InvalidAnchor, Untrusted};
pub use request::{Nonce, Request, RequestError};
pub use token::{Claim, Token, TokenError};

use crate::digest::Digest;

/// A token, reply or request is no longer than this.
pub const MAX_BYTES: usize = 1 << 20;

/// A time that an authority vouches for, which the recipient believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// What the token says.
    pub claim: &'a Claim,
    /// The certificate that the recipient named.
    pub anchor: &'a Anchor,
}

impl Token {
    /// What the token says of bytes with this digest, once it holds and a certificate that the recipient named vouches for
    /// the key that signed it.
    ///
    /// # Errors
    /// [`Unstamped`] with what is missing.
    pub fn open<'a>(&'a self, sha256: &Digest, anchors: &'a [Anchor]) -> Result<Stamp<'a>, Unstamped> {
        let claim = self.claim(sha256)?;
        let anchor = chain::anchor(self.signer(), self.brought(), anchors, claim.at)?;
        Ok(Stamp { claim, anchor })
    }
}

/// Why a token shows nothing to a recipient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unstamped {
    /// It does not hold by itself.
    #[error(transparent)]
    Broken(#[from] TokenError),
    /// It holds, and nobody whom the recipient named vouches for its key.
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
}
