//! What links the two matrices of a low-rank adapter: the output of A is the input of B, the gradient goes back through B,
//! and what comes to B is the gradient of the adapter's output times its scale.

use super::count::Count;
use super::kernel::{Unit, two_to};
use super::linear::{Micro, Shown, digest_of, width};
use super::matrix::File;
use super::product::Engine;
use super::record::{Record, Refusal};
use super::wire::Lora;
use crate::tensor::Bytes;

/// Values of a B that are held.
const HELD: u64 = 1 << 22;

/// Judges what links a B to its A and to what it is added to.
pub(super) fn judge<B: Bytes + ?Sized>(
    record: &Record,
    b: &Shown<'_>,
    shown: &[Shown<'_>],
    engine: Engine,
    file: &File<'_, B>,
    link: &mut Count,
    count: &mut Count,
) -> Result<(), Refusal> {
    for micro in &b.micros {
        scaled(record, b, micro, file, count)?;
    }
    let name = b.module.module.replace("lora_B", "lora_A");
    let a = shown.iter().find(|other| other.module.lora == Some(Lora::A) && other.module.module == name);
    let Some(a) = a.filter(|a| a.micros.len() == b.micros.len() && a.weight.rows == b.weight.columns) else {
        link.unseen = Some(format!("{name:?} is not shown"));
        return Ok(());
    };
    let rank = width(b.weight.columns);
    if b.weight.rows * b.weight.columns > HELD {
        count.unseen = Some(format!("{:?} is too large to be held", b.module.module));
        return Ok(());
    }
    let mut weight = vec![0.0; width(b.weight.rows) * rank];
    file.rows(b.weight, |o, row| {
        row.iter().enumerate().for_each(|(k, value)| weight[o * rank + k] = engine.factor(*value));
    })?;
    for (a_micro, b_micro) in a.micros.iter().zip(&b.micros) {
        let note = || format!("the input of {:?} is not the output of {name:?}", b.module.module);
        let same = digest_of(file, a_micro.y)? == digest_of(file, b_micro.x)?;
        link.equal(same, note);
        if a_micro.dy.rows != b_micro.dy.rows {
            count.equal(false, || format!("{name:?} saw another number of rows than {:?}", b.module.module));
            continue;
        }
        let (mut derived, mut sizes) = (vec![0.0; rank], vec![0.0; rank]);
        file.both(b_micro.dy, a_micro.dy, |n, back, stored| {
            derived.fill(0.0);
            sizes.fill(0.0);
            for (back, weight) in back.iter().zip(weight.chunks_exact(rank.max(1))) {
                let back = engine.factor(*back);
                for (k, weight) in weight.iter().enumerate() {
                    derived[k] += back * weight;
                    sizes[k] += (back * weight).abs();
                }
            }
            for (k, stored) in stored.iter().enumerate() {
                let stored = f64::from(*stored);
                let bound = engine.bound(b.weight.rows, 1, sizes[k], stored.abs());
                count.take(&a.module.module, n * rank + k, stored - derived[k], bound, derived[k]);
            }
        })?;
    }
    Ok(())
}

/// The gradient of B's output is that of the adapter's output times its scale, rounded once.
fn scaled<B: Bytes + ?Sized>(
    record: &Record,
    b: &Shown<'_>,
    micro: &Micro,
    file: &File<'_, B>,
    count: &mut Count,
) -> Result<(), Refusal> {
    let name = &b.module.module;
    let (Some(scaling), Some(out)) = (b.module.scaling, micro.out) else {
        count.unseen = Some(format!(
            "the scale of {name:?} could not show: it, or the gradient before it, is not stated"
        ));
        return Ok(());
    };
    let unit = Unit::new(micro.dy.dtype, record.arith);
    let columns = width(micro.dy.columns);
    file.both(out, micro.dy, |n, out, stored| {
        for (o, (out, stored)) in out.iter().zip(stored).enumerate() {
            let derived = scaling * f64::from(*out);
            let bound = unit.half_ulp(*stored) + unit.u * derived.abs() + two_to(-149);
            count.take(name, n * columns + o, f64::from(*stored) - derived, bound, derived);
        }
    })
}
