//! Who sealed it: keys, the seal over a manifest's bytes, and the recipient's own list of whom to believe.

pub mod key;
pub mod policy;
pub mod seal;

pub use key::{KeyError, KeyId, SigningKey, VerifyingKey};
pub use policy::{PolicyError, Role, Signer, TrustPolicy};
pub use seal::{SEAL_BYTES, SealError};
