//! Who sealed it, and who says what of it: keys, the seal over a manifest's bytes, signed statements, and the recipient's
//! own list of whom to believe.

pub mod envelope;
pub mod key;
pub mod p256;
pub mod policy;
pub mod rotation;
pub mod seal;
pub mod statement;
pub mod timestamp;

pub use envelope::{Envelope, EnvelopeError};
pub use key::{KeyError, KeyId, SignError, SigningKey, VerifyingKey};
pub use policy::{PolicyError, Revocation, Role, Signer, TrustPolicy};
pub use rotation::Rotation;
pub use seal::{SEAL_BYTES, SealError};
pub use statement::{StatementError, Subject};
