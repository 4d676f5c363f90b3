//! `explain`: what a code means and what to do.

use bp::error::{self, Failure};
use bp::pack::law;
use serde_json::json;

use crate::Run;
use crate::output::Output;
use crate::rules::folded;

pub(crate) fn explain(code: &str, output: &Output) -> Run {
    let error = error::code(code).map(|code| (code.name, code.meaning, code.remedy));
    let found = error.or_else(|| law::law(code).map(|law| (law.code, law.meaning, law.remedy)));
    let Some((name, meaning, remedy)) = found else {
        let failure = Failure::new(&error::INVALID_FLAG, format!("there is no code {code}"));
        return Err(failure.hint("codes are in capitals, as findings and errors print them"));
    };
    if output.json {
        output.envelope(&json!({ "ok": true, "code": name, "meaning": meaning, "remedy": remedy }))?;
    } else {
        let text = format!("{name}\n{}{}", folded("  means:  ", meaning), folded("  remedy: ", remedy));
        output.data(text.as_bytes())?;
    }
    Ok(0)
}
