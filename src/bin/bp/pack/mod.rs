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
mod secrets;
mod steps;
pub(crate) mod stores;
mod suite;
mod told;
pub(crate) mod verify;

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
