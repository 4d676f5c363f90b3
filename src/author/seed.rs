//! Built-in inputs of well-known steps.

use crate::digest::Digest;
use crate::json;
use crate::receipt::wire::TopologyInput;
use serde::Deserialize as _;

/// A built-in input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed {
    /// The 2-2-2 net of Mazur, "A Step by Step Backpropagation Example" (2015).
    Mazur,
    /// 2-2-1 on one case of exclusive or.
    Xor,
    /// 4-3-3 on the first flower of Fisher's iris data (1936).
    Iris,
    /// 2-2-3 with softmax and cross-entropy.
    SoftmaxCe,
    /// 9-16-4 with relu, softmax and cross-entropy: a net of a size to measure with.
    Hero,
}

impl Seed {
    /// Every seed.
    pub const ALL: [Self; 5] = [Self::Mazur, Self::Xor, Self::Iris, Self::SoftmaxCe, Self::Hero];

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mazur => "mazur",
            Self::Xor => "xor",
            Self::Iris => "iris",
            Self::SoftmaxCe => "softmax-ce",
            Self::Hero => "hero",
        }
    }

    /// The digest of the canonical bytes of the seed's receipt, for all but the last the same as the format's
    /// reference ships.
    ///
    /// # Panics
    /// Never: the digests are read by a test.
    #[must_use]
    pub fn golden(self) -> Digest {
        let text = match self {
            Self::Mazur => "e781a6d214acc29ec113f40664b2994fa3d50b4d60663115f7d7ac227954b71a",
            Self::Xor => "5544b82eabc0e02867badf6c8ede14492f21402ea84072dc738acf42f23e0f30",
            Self::Iris => "fe0ca041e7089636c81704e0a170e8e94c81fcc8e28ba9ae15ae2a5fae9d9c03",
            Self::SoftmaxCe => "b3fd51be145eb2408195d5fceeb2e585dee67d7c80b69427e1ced43dcc1b3b4e",
            Self::Hero => "90e7749d3d205546eaf0292110b06613b8ac44a5ea8e50faf75db60068b02186",
        };
        text.parse().expect("an embedded digest is one")
    }

    /// The input.
    ///
    /// # Panics
    /// Never: the embedded files are read by a test.
    #[must_use]
    pub fn input(self) -> TopologyInput {
        let text = match self {
            Self::Mazur => include_str!("../../fixtures/seed/mazur.json"),
            Self::Xor => include_str!("../../fixtures/seed/xor.json"),
            Self::Iris => include_str!("../../fixtures/seed/iris.json"),
            Self::SoftmaxCe => include_str!("../../fixtures/seed/softmax-ce.json"),
            Self::Hero => include_str!("../../fixtures/seed/hero.json"),
        };
        let value = json::parse(text.as_bytes()).expect("an embedded seed is strict JSON");
        TopologyInput::deserialize(value).expect("an embedded seed has the shape of a topology input")
    }
}
