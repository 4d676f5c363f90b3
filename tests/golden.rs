//! What the engine authors: canonical bytes, by digest.

use bp::author;
use bp::author::seed::Seed;
use bp::digest::Digest;
use bp::receipt::canonical;

#[test]
fn seeds_give_their_golden_bytes() {
    for seed in Seed::ALL {
        let receipt = author::receipt(&seed.input()).unwrap();
        let text = canonical::emit(&receipt).unwrap();
        assert_eq!(Digest::of(text.as_bytes()), seed.golden(), "{}: {text}", seed.name());
    }
}
