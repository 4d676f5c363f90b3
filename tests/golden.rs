//! What the engine authors: canonical bytes, by digest.

use bp::digest::Digest;
use bp::engine::author;
use bp::engine::seed::Seed;
use bp::receipt::canonical;

/// SHA-256 of the files that the format's reference ships for the same inputs.
const REFERENCE: [(Seed, &str); 4] = [
    (Seed::Mazur, "e781a6d214acc29ec113f40664b2994fa3d50b4d60663115f7d7ac227954b71a"),
    (Seed::Xor, "5544b82eabc0e02867badf6c8ede14492f21402ea84072dc738acf42f23e0f30"),
    (Seed::Iris, "fe0ca041e7089636c81704e0a170e8e94c81fcc8e28ba9ae15ae2a5fae9d9c03"),
    (Seed::SoftmaxCe, "b3fd51be145eb2408195d5fceeb2e585dee67d7c80b69427e1ced43dcc1b3b4e"),
];

#[test]
fn seeds_give_the_bytes_of_the_reference() {
    for (seed, digest) in REFERENCE {
        let receipt = author::receipt(&seed.input()).unwrap();
        let text = canonical::emit(&receipt).unwrap();
        assert_eq!(Digest::of(text.as_bytes()).to_string(), digest, "{}: {text}", seed.name());
    }
}
