//! One parameter, block by block: what is judged is what is hashed.

#![expect(clippy::inline_always, reason = "as in the kernels")]

use std::io;

use sha2::{Digest as _, Sha256};

use super::kernel::{self, AdamBlock, Fit, Room, Sgd, SgdBlock, Unit};
use super::payload::{Role, Tensors};
use super::record::{Param, Record, Update};
use super::replay::{self, AdamReplay, Left};
use super::scalar;
use super::tally::Tally;
use super::wire::{Dtype, Profile};
use crate::digest::Digest;
use crate::tensor::Bytes;

/// Values of a tensor that are read at a time.
const BLOCK: usize = 16 << 10;

/// What judging one parameter came to.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Whether it was replayed bit by bit.
    pub replayed: bool,
    /// The replay, where there was one.
    pub bits: Option<Tally>,
    /// The stages of the optimizer: moments or buffer, then the parameter.
    pub stages: Vec<Tally>,
    /// Clipping, where the gradients before it are there.
    pub clip: Option<Tally>,
    /// Whether the step changed a bit of a moment, a buffer or the parameter, where it was replayed.
    pub moved: bool,
    /// The least squares for the learning rate.
    pub fit: Fit,
    /// Values that are NaN or infinite, or second moments below zero.
    pub unsound: u64,
    /// The sum of squares of the gradients as they were before clipping; as they were used, where those are not there.
    pub squares: f64,
    /// The digest of each tensor that is there.
    pub digests: Vec<(Role, Digest)>,
    /// Tensors whose digest the record states, and states wrongly.
    pub misstated: Vec<Role>,
}

/// What one parameter is judged by.
struct Plan {
    update: Kind,
    unit: Unit,
    clip: Clip,
    bounded: bool,
    replays: bool,
}

/// How gradients were clipped.
#[derive(Clone, Copy, PartialEq)]
enum Clip {
    /// Those from before are not there.
    Unseen,
    /// They were left alone, bit by bit.
    Same,
    /// They were multiplied by this.
    By(f64),
}

enum Kind {
    Adam(scalar::Adam, AdamReplay),
    Sgd(Sgd),
}

/// The factor that clipping multiplies gradients by; `None` where it leaves their bits alone.
pub(super) fn factor(record: &Record, u: f64) -> Option<f64> {
    let clip = record.clip?;
    let quotient = clip.max_norm / (clip.total_norm + 1e-6);
    (quotient < 1.0 + 4.0 * u).then(|| quotient.min(1.0))
}

impl Plan {
    fn new(record: &Record, param: &Param, tensors: &Tensors, replays: bool) -> Self {
        let group = &record.groups[param.group];
        let unit = Unit::new(param.dtype, record.arith);
        let update = match group.update {
            Update::Adam { .. } => {
                let of = scalar::Adam::new(group, param.timestep).expect("the group is Adam's");
                Kind::Adam(of, AdamReplay::new(&of, record.arith.profile == Profile::TorchCpuMklSqrt))
            }
            Update::Sgd { momentum, dampening, nesterov } => Kind::Sgd(Sgd {
                lr: group.lr,
                wd: group.weight_decay,
                momentum,
                dampening,
                nesterov,
                first: !tensors.has(Role::B0),
            }),
        };
        let whole = match update {
            Kind::Adam(..) => [Role::M1, Role::V1, Role::P1].iter().all(|role| tensors.has(*role)),
            Kind::Sgd(of) => tensors.has(Role::P1) && (of.momentum <= 0.0 || tensors.has(Role::B1)),
        };
        let clip = match (tensors.has(Role::Graw), factor(record, unit.u)) {
            (false, _) => Clip::Unseen,
            (true, None) => Clip::Same,
            (true, Some(factor)) => Clip::By(factor),
        };
        Self { update, unit, clip, bounded: whole, replays }
    }

    const fn stages(&self) -> usize {
        match &self.update {
            Kind::Adam(..) => 3,
            Kind::Sgd(of) if of.momentum > 0.0 => 2,
            Kind::Sgd(_) => 1,
        }
    }
}

/// The tensors of a block, and room to work in.
struct Buffers {
    values: [Vec<f32>; Role::ALL.len()],
    narrow: Vec<u16>,
    left: [Vec<f32>; 3],
    differ: Vec<bool>,
    changed: Vec<bool>,
    room: Box<Room>,
}

impl Buffers {
    fn new(length: usize, tensors: &Tensors, plan: &Plan, dtype: Dtype) -> Self {
        let needed = |role| {
            let zero = match role {
                Role::M0 | Role::V0 => matches!(plan.update, Kind::Adam(..)),
                // Where the buffer begins it moves from zero.
                Role::B0 => matches!(plan.update, Kind::Sgd(of) if of.momentum > 0.0),
                _ => false,
            };
            if tensors.has(role) || zero { length } else { 0 }
        };
        let replay = if plan.replays { length } else { 0 };
        Self {
            values: Role::ALL.map(|role| vec![0.0; needed(role)]),
            narrow: vec![0; if dtype == Dtype::Bf16 { length } else { 0 }],
            left: [(); 3].map(|()| vec![0.0; replay]),
            differ: vec![false; replay],
            changed: vec![false; replay],
            room: Box::new(Room::new()),
        }
    }

    fn of(&self, role: Role, count: usize) -> &[f32] {
        let values = &self.values[role as usize];
        &values[..count.min(values.len())]
    }

    /// Reads the next values of a tensor, and adds their bytes to its digest.
    fn read(
        &mut self,
        bytes: &(impl Bytes + ?Sized),
        role: Role,
        offset: u64,
        count: usize,
        dtype: Dtype,
        hasher: &mut Sha256,
    ) -> io::Result<()> {
        let values = &mut self.values[role as usize][..count];
        match dtype {
            Dtype::F32 => {
                let raw: &mut [u8] = bytemuck::cast_slice_mut(values);
                bytes.read_at(offset, raw)?;
                hasher.update(&*raw);
                if cfg!(target_endian = "big") {
                    let words: &mut [u32] = bytemuck::cast_slice_mut(values);
                    words.iter_mut().for_each(|word| *word = u32::from_le(*word));
                }
            }
            Dtype::Bf16 => {
                let words = &mut self.narrow[..count];
                let raw: &mut [u8] = bytemuck::cast_slice_mut(words);
                bytes.read_at(offset, raw)?;
                hasher.update(&*raw);
                for (value, word) in values.iter_mut().zip(words) {
                    *value = f32::from_bits(u32::from(u16::from_le(*word)) << 16);
                }
            }
        }
        Ok(())
    }
}

/// A block, judged in the widest instructions that the processor has.
struct Block<'a> {
    plan: &'a Plan,
    buffers: &'a mut Buffers,
    count: usize,
    judged: &'a mut Judged,
}

impl pulp::WithSimd for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { plan, buffers, count, judged } = self;
        for role in Role::ALL {
            let values = buffers.of(role, count);
            judged.unsound += kernel::non_finite(values);
            if matches!(role, Role::V0 | Role::V1) {
                judged.unsound += kernel::negative(values);
            }
        }
        let raw = buffers.of(if plan.clip == Clip::Unseen { Role::G } else { Role::Graw }, count);
        judged.squares += kernel::squares(raw);
        let mut room = std::mem::replace(&mut buffers.room, Box::new(Room::new()));
        if let Some(tally) = &mut judged.clip {
            let factor = if let Clip::By(factor) = plan.clip { Some(factor) } else { None };
            let (g, graw) = (buffers.of(Role::G, count), buffers.of(Role::Graw, count));
            kernel::clip(g, graw, factor, &plan.unit, &mut room, tally);
        }
        let differs = plan.replays && replay(plan, buffers, count, judged);
        if plan.bounded && (differs || !plan.replays) {
            bounded(plan, buffers, count, judged, &mut room);
        }
        buffers.room = room;
    }
}

/// Replays a block; whether any value of it differs.
#[inline(always)]
fn replay(plan: &Plan, buffers: &mut Buffers, count: usize, judged: &mut Judged) -> bool {
    let [mut m, mut v, mut p] = std::mem::take(&mut buffers.left);
    let (mut differ, mut changed) =
        (std::mem::take(&mut buffers.differ), std::mem::take(&mut buffers.changed));
    let mut left = Left { m: &mut m, v: &mut v, p: &mut p };
    match &plan.update {
        Kind::Adam(_, replay) => replay.differ(adam_block(buffers, count), &mut left, &mut differ),
        Kind::Sgd(of) => replay::sgd(sgd_block(buffers, count), of, &mut left, &mut differ),
    }
    let (p0, p1) = (buffers.of(Role::P0, count), buffers.of(Role::P1, count));
    let p1 = if p1.is_empty() { &p[..count] } else { p1 };
    for ((changed, p0), p1) in changed.iter_mut().zip(p0).zip(p1) {
        *changed = p0.to_bits() != p1.to_bits();
    }
    let of = |role| buffers.of(role, count);
    for (before, after, derived) in
        [(of(Role::M0), of(Role::M1), &m), (of(Role::V0), of(Role::V1), &v), (of(Role::B0), of(Role::B1), &m)]
    {
        let after = if after.is_empty() { derived } else { after };
        judged.moved |= before.iter().zip(after).any(|(before, after)| before.to_bits() != after.to_bits());
    }
    judged.moved |= changed[..count].contains(&true);
    let tally = judged.bits.as_mut().expect("a plan that replays has a tally");
    let before = tally.outside;
    tally.take_bits(&differ[..count], &changed[..count]);
    let differs = tally.outside > before;
    buffers.left = [m, v, p];
    (buffers.differ, buffers.changed) = (differ, changed);
    differs
}

/// Judges a block within bounds.
#[inline(always)]
fn bounded(plan: &Plan, buffers: &Buffers, count: usize, judged: &mut Judged, room: &mut Room) {
    match &plan.update {
        Kind::Adam(of, _) => {
            let tallies: &mut [Tally; 3] =
                judged.stages.as_mut_slice().try_into().expect("Adam has three stages");
            kernel::adam(adam_block(buffers, count), of, &plan.unit, room, tallies, &mut judged.fit);
        }
        Kind::Sgd(of) => {
            let mut none = Tally::new(0);
            let (b, p) = match judged.stages.as_mut_slice() {
                [b, p] => (b, p),
                [p] => (&mut none, p),
                _ => unreachable!("SGD has one stage or two"),
            };
            kernel::sgd(sgd_block(buffers, count), of, &plan.unit, room, b, p, &mut judged.fit);
        }
    }
}

fn adam_block(buffers: &Buffers, count: usize) -> AdamBlock<'_> {
    let of = |role| buffers.of(role, count);
    AdamBlock {
        p0: of(Role::P0),
        g: of(Role::G),
        m0: of(Role::M0),
        v0: of(Role::V0),
        p1: of(Role::P1),
        m1: of(Role::M1),
        v1: of(Role::V1),
    }
}

fn sgd_block(buffers: &Buffers, count: usize) -> SgdBlock<'_> {
    let of = |role| buffers.of(role, count);
    SgdBlock { p0: of(Role::P0), g: of(Role::G), b0: of(Role::B0), p1: of(Role::P1), b1: of(Role::B1) }
}

/// Judges one parameter.
///
/// # Errors
/// Whatever reading its tensors reports.
pub fn judge(
    record: &Record,
    param: &Param,
    tensors: &Tensors,
    bytes: &(impl Bytes + ?Sized),
    replays: bool,
) -> io::Result<Judged> {
    let plan = Plan::new(record, param, tensors, replays);
    let tally = || Tally::new(param.elements);
    let mut judged = Judged {
        replayed: replays,
        bits: replays.then(tally),
        stages: std::iter::repeat_with(tally).take(plan.stages()).collect(),
        clip: (plan.clip != Clip::Unseen).then(tally),
        moved: false,
        fit: Fit::default(),
        unsound: 0,
        squares: 0.0,
        digests: Vec::new(),
        misstated: Vec::new(),
    };
    let width: u64 = match param.dtype {
        Dtype::F32 => 4,
        Dtype::Bf16 => 2,
    };
    let length = usize::try_from(param.elements).map_or(BLOCK, |elements| elements.min(BLOCK));
    let mut buffers = Buffers::new(length, tensors, &plan, param.dtype);
    let mut hashers: Vec<(Role, u64, Sha256)> = Role::ALL
        .into_iter()
        .filter_map(|role| tensors.at(role).map(|offset| (role, offset, Sha256::new())))
        .collect();
    let derived = [(Role::M1, param.digests.m1), (Role::V1, param.digests.v1), (Role::P1, param.digests.p1)];
    let of_buffer = (Role::B1, param.digests.b1);
    // What is left out is derived, and its digest compared: the moments, or the buffer in place of the first.
    let stated =
        if record.groups[param.group].is_adam() { derived } else { [of_buffer, derived[1], derived[2]] };
    let mut left: [Option<Sha256>; 3] =
        stated.map(|(role, digest)| (digest.is_some() && !tensors.has(role)).then(Sha256::new));
    let arch = pulp::Arch::new();
    let mut done = 0;
    while done < param.elements {
        let count = usize::try_from(param.elements - done).map_or(BLOCK, |rest| rest.min(BLOCK));
        for (role, offset, hasher) in &mut hashers {
            buffers.read(bytes, *role, *offset + done * width, count, param.dtype, hasher)?;
        }
        arch.dispatch(Block { plan: &plan, buffers: &mut buffers, count, judged: &mut judged });
        for (hasher, values) in left.iter_mut().zip(&buffers.left) {
            if let Some(hasher) = hasher {
                values[..count].iter().for_each(|value| hasher.update(value.to_le_bytes()));
            }
        }
        done += count as u64;
    }
    let tensors = record.params.len();
    judged.stages.iter_mut().chain(&mut judged.clip).for_each(|tally| tally.close(tensors));
    judged.digests = hashers
        .into_iter()
        .map(|(role, _, hasher)| (role, Digest::from_bytes(hasher.finalize().into())))
        .collect();
    for ((role, digest), hasher) in stated.into_iter().zip(left) {
        let Some(digest) = digest else { continue };
        let found = match hasher {
            Some(hasher) => Some(Digest::from_bytes(hasher.finalize().into())),
            None => judged.digests.iter().find(|(known, _)| *known == role).map(|(_, digest)| *digest),
        };
        if found != Some(digest) {
            judged.misstated.push(role);
        }
    }
    Ok(judged)
}
