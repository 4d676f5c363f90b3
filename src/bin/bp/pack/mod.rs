//! `pack`: build and check evidence packs.

mod archive;
mod bundled;
mod docker;
mod inputs;
mod job;
mod list;
mod look;
pub(crate) mod papers;
mod run;
mod steps;
pub(crate) mod stores;
mod suite;
pub(crate) mod verify;

use bp::pack::manifest::{Judge, Producer};
use bp::report::verdict;

use crate::Run;
use crate::cli::Pack;
use crate::output::Output;

pub(crate) fn pack(command: Pack, output: &Output) -> Run {
    match command {
        Pack::Run(arguments) => run::run(&arguments, output),
        Pack::Verify(arguments) => verify::verify(&arguments, output),
        Pack::Show(arguments) => look::show(&arguments, output),
        Pack::Diff { a, b } => look::diff(&a, &b, output),
        Pack::List { folder } => list::list(&folder, output),
        Pack::Archive(arguments) => archive::archive(&arguments, output),
        Pack::Extract(arguments) => archive::extract(&arguments, output),
        Pack::Push(arguments) => stores::push(&arguments, output),
        Pack::Pull(arguments) => stores::pull(&arguments, output),
        Pack::Suite(command) => suite::suite(&command, output),
    }
}

/// This program, as it signs itself.
pub(crate) fn producer() -> Producer {
    Producer {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build: option_env!("BP_BUILD").unwrap_or("unknown").to_owned(),
    }
}

/// This judge, as manifests name it.
pub(crate) fn judge() -> Judge {
    let judge = verdict::Judge::this();
    Judge {
        name: judge.name.to_owned(),
        version: judge.version.to_owned(),
        rules: judge.rules.iter().map(ToString::to_string).collect(),
        bounds_policy_sha256: judge.bounds_policy_sha256,
    }
}
