//! Which tensor of a payload is which, and that every one is there, fits its parameter and nothing else is.

use std::collections::HashMap;

use super::record::{Param, Record, Refusal};
use super::wire::{Dtype, Profile};
use crate::tensor::Bytes;
use crate::tensor::safetensors::{Fault, Layout, Place};

/// What a tensor is to its parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names are the format's")]
pub enum Role {
    P0,
    P1,
    G,
    Graw,
    M0,
    M1,
    V0,
    V1,
    B0,
    B1,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 10] =
        [Self::P0, Self::P1, Self::G, Self::Graw, Self::M0, Self::M1, Self::V0, Self::V1, Self::B0, Self::B1];

    /// Its name in a key.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::P0 => "p0",
            Self::P1 => "p1",
            Self::G => "g",
            Self::Graw => "graw",
            Self::M0 => "m0",
            Self::M1 => "m1",
            Self::V0 => "v0",
            Self::V1 => "v1",
            Self::B0 => "b0",
            Self::B1 => "b1",
        }
    }
}

/// Where the tensors of one parameter lie, by role, in bytes from the start of the file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tensors([Option<u64>; Role::ALL.len()]);

impl Tensors {
    /// Where a tensor begins; `None` where it is left out.
    #[must_use]
    pub const fn at(&self, role: Role) -> Option<u64> {
        self.0[role as usize]
    }

    /// Whether a tensor is there.
    #[must_use]
    pub const fn has(&self, role: Role) -> bool {
        self.at(role).is_some()
    }
}

/// The header of a payload, read before anything else of it.
///
/// # Errors
/// [`Refusal`] where the file is no safetensors file whose header names the tensors in the order of their bytes.
pub fn layout(file: &str, bytes: &(impl Bytes + ?Sized)) -> Result<Layout, Refusal> {
    let refused = |reason: String| Refusal::Payload { file: file.to_owned(), reason };
    let layout = Layout::of(bytes).map_err(|fault| match fault {
        Fault::Format(refusal) => refused(refusal.to_string()),
        Fault::Io(source) => Refusal::Io { file: file.to_owned(), source },
    })?;
    if !layout.in_order {
        return Err(refused(
            "its header names the tensors in another order than that of their bytes".to_owned(),
        ));
    }
    Ok(layout)
}

/// The tensors of every parameter, in the order of the record.
///
/// # Errors
/// [`Refusal`] for a tensor that is missing, that has another type or shape than its parameter, or that belongs to none.
pub fn tensors(record: &Record, layout: &Layout) -> Result<Vec<Tensors>, Refusal> {
    let refused = |reason: String| Refusal::Payload { file: record.payload.file.clone(), reason };
    let named: HashMap<&str, usize> =
        record.params.iter().enumerate().map(|(index, param)| (param.name.as_str(), index)).collect();
    let mut tensors = vec![Tensors::default(); record.params.len()];
    for Place { tensor, begin, .. } in &layout.places {
        let key = tensor.name.as_str();
        let role = |name: &str| Role::ALL.into_iter().find(|role| role.name() == name);
        let parts = key.split_once('/').and_then(|(name, param)| Some((role(name)?, *named.get(param)?)));
        let Some((role, index)) = parts else {
            return Err(refused(format!("{key:?} belongs to no parameter of the record")));
        };
        let param = &record.params[index];
        if tensor.dtype != dtype(param.dtype) {
            return Err(refused(format!(
                "{key:?} is {}, and its parameter {}",
                tensor.dtype,
                dtype(param.dtype)
            )));
        }
        if tensor.shape != param.shape {
            return Err(refused(format!("{key:?} has another shape than its parameter")));
        }
        tensors[index].0[role as usize] = Some(layout.data_start + begin);
    }
    let raw = tensors.iter().filter(|tensors| tensors.has(Role::Graw)).count();
    if raw != 0 && raw != tensors.len() {
        return Err(refused(format!("graw is there for {raw} of {} parameters", tensors.len())));
    }
    for (param, tensors) in record.params.iter().zip(&tensors) {
        complete(record, param, tensors)?;
    }
    Ok(tensors)
}

/// The name of a type in a safetensors header.
#[must_use]
pub const fn dtype(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::F32 => "F32",
        Dtype::Bf16 => "BF16",
    }
}

/// Whether a parameter has the tensors that its optimizer and timestep ask for, and no others.
fn complete(record: &Record, param: &Param, tensors: &Tensors) -> Result<(), Refusal> {
    let group = &record.groups[param.group];
    let first = param.timestep == 1;
    let digest = |role| match role {
        Role::P1 => param.digests.p1.is_some() && record.arith.profile != Profile::TorchCpuMklSqrt,
        Role::M1 => param.digests.m1.is_some(),
        Role::B1 => param.digests.b1.is_some(),
        _ => false,
    };
    for role in Role::ALL {
        // Where SGD's square root does not enter, every profile replays the parameter to one value.
        let replayed = record.replays(param)
            && (digest(role) || (role == Role::P1 && !group.is_adam() && param.digests.p1.is_some()));
        let (belongs, optional) = match role {
            Role::P0 | Role::G => (true, false),
            Role::Graw => (true, true),
            Role::P1 => (true, replayed),
            Role::M0 | Role::V0 => (group.is_adam(), first),
            Role::M1 => (group.is_adam(), replayed),
            // A replay has two values for it, so a digest cannot stand for it.
            Role::V1 => (group.is_adam(), false),
            Role::B0 => (group.has_buffer(), first),
            Role::B1 => (group.has_buffer(), replayed),
        };
        let key = || format!("{}/{}", role.name(), param.name);
        let reason = match (tensors.has(role), belongs, optional) {
            (true, false, _) => format!("{:?} is nothing that this optimizer keeps", key()),
            (false, true, false) => format!("{:?} is missing", key()),
            _ => continue,
        };
        return Err(Refusal::Payload { file: record.payload.file.clone(), reason });
    }
    let paired = |a, b| tensors.has(a) == tensors.has(b);
    if !paired(Role::M0, Role::V0) {
        let reason = format!("one of m0 and v0 is missing for {:?}", param.name);
        return Err(Refusal::Payload { file: record.payload.file.clone(), reason });
    }
    Ok(())
}
