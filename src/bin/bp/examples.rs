//! `examples`: the files that record a training loop's steps, as they stand in `scripts/extract`.

use bp::digest::Digest;
use serde_json::json;

use crate::Run;
use crate::cli::ExampleName;
use crate::output::Output;

/// Prints a file, or says what it is. Its digest is what its sidecars name as `helper.source_hash`.
pub(crate) fn examples(framework: ExampleName, print: bool, output: &Output) -> Run {
    let (name, text): (_, &str) = match framework {
        ExampleName::Pytorch => ("pytorch.py", include_str!("../../../scripts/extract/pytorch.py")),
        ExampleName::Jax => ("jax.py", include_str!("../../../scripts/extract/jax.py")),
    };
    let digest = Digest::of(text.as_bytes());
    if output.json {
        output.envelope(&json!({
            "ok": true,
            "name": name,
            "source_hash": digest.prefixed(),
            "size_bytes": text.len(),
            "text": print.then_some(text),
        }))?;
    } else if print {
        output.data(text.as_bytes())?;
    } else {
        let about = text.split("\"\"\"").nth(1).unwrap_or_default().trim();
        output.data(format!("{name}  SHA-256 {digest}\n\n{about}\n").as_bytes())?;
    }
    Ok(0)
}
