//! `scaffold`: a file to start a step of one's own from.

use bp::error::{self, Failure};

use crate::Run;
use crate::cli::Scaffold;
use crate::output::Output;

pub(crate) fn scaffold(command: Scaffold, output: &Output) -> Run {
    let Scaffold::Topology { topology, out } = command;
    let text = topology.scaffold().map_err(|error| {
        Failure::of(&error::INVALID_TOPOLOGY_ARG, &error).hint(format!(
            "`bp generate {}` writes its receipt; mazur, xor and iris can be scaffolded",
            topology.name()
        ))
    })?;
    output.written(out.as_deref(), text.as_bytes())
}
