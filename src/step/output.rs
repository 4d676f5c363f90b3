//! Outputs of a module that is shown: its inputs times its weight, and its bias. Rows are compared under signs that are drawn
//! (Freivalds), and single outputs at places that are.

use super::count::Count;
use super::drawn::Drawn;
use super::linear::{Shown, width};
use super::matrix::File;
use super::product::Engine;
use super::record::Refusal;
use crate::tensor::Bytes;

/// How often signs are drawn for the outputs of a module.
pub(super) const DRAWS: u64 = 8;

/// Outputs that are compared by themselves, for each micro-batch.
pub(super) const SPOTS: usize = 256;

/// Judges the outputs of a module. `bias` is empty where it has none, and nothing where it has one that is not shown.
pub(super) fn judge<B: Bytes + ?Sized>(
    of: &Shown<'_>,
    bias: Option<&Vec<f32>>,
    engine: Engine,
    drawn: &Drawn,
    file: &File<'_, B>,
    count: &mut Count,
) -> Result<(), Refusal> {
    let name = &of.module.module;
    let Some(bias) = bias else {
        count.unseen = Some(format!("{name:?} has a bias that the record does not show"));
        return Ok(());
    };
    let bias: Vec<f64> = bias.iter().map(|value| engine.factor(*value)).collect();
    let (inner, outer) = (width(of.weight.columns), width(of.weight.rows));
    // Far from the numbers of draws that gradients take.
    let signs: Vec<Vec<f64>> = (0..DRAWS).map(|draw| drawn.signs(u64::MAX - draw, outer)).collect();
    let (mut through, mut sizes) = (vec![vec![0.0; inner]; signs.len()], vec![0.0; inner]);
    file.rows(of.weight, |i, row| {
        for (j, value) in row.iter().enumerate() {
            let value = engine.factor(*value);
            through.iter_mut().zip(&signs).for_each(|(through, signs)| through[j] += signs[i] * value);
            sizes[j] += value.abs();
        }
    })?;
    let dot = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(a, b)| a * b).sum::<f64>();
    let added: f64 = bias.iter().map(|value| value.abs()).sum();
    let shifts: Vec<f64> = signs.iter().map(|signs| dot(signs, &bias)).collect();
    for (number, micro) in (0..).zip(&of.micros) {
        file.both(micro.x, micro.y, |n, x, y| {
            let factors: Vec<f64> = x.iter().map(|value| engine.factor(*value)).collect();
            let absolute = factors.iter().zip(&sizes).map(|(x, size)| x.abs() * size).sum();
            let stored: Vec<f64> = y.iter().map(|value| f64::from(*value)).collect();
            let size = stored.iter().map(|value| value.abs()).sum();
            let bound = engine.added(of.weight.columns, outer, absolute, size, added);
            for ((signs, through), shift) in signs.iter().zip(&through).zip(&shifts) {
                let derived = dot(&factors, through) + shift;
                count.take(name, n * outer, dot(signs, &stored) - derived, bound, derived);
            }
        })?;
        for [n, o] in drawn.places(u64::MAX - number, [width(micro.x.rows), outer], SPOTS) {
            let [x, w] = [(micro.x, n), (of.weight, o)].map(|(matrix, row)| file.row(matrix, row as u64));
            let shift = bias.get(o).copied().unwrap_or_default();
            let (mut derived, mut absolute) = (shift, 0.0);
            for (x, w) in x?.iter().zip(&w?) {
                let product = engine.factor(*x) * engine.factor(*w);
                derived += product;
                absolute += product.abs();
            }
            let stored = file.value(micro.y, (n * outer + o) as u64)?;
            let bound = engine.added(of.weight.columns, 1, absolute, stored.abs(), shift.abs());
            count.take(name, n * outer + o, stored - derived, bound, derived);
        }
    }
    Ok(())
}
