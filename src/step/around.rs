//! Rules about what stands around a step: which parameters, which timestep, which rate.

use super::judge::{Row, State};
use super::kernel::{two_to, within};
use super::leaf;
use super::record::{Param, Record};
use super::rule;
use super::wire::ScheduleKind;

pub(super) fn partition(record: &Record) -> Row {
    let Some(model) = record.model_params else {
        return Row::unseen(&rule::PARTITION, "the record does not say how many parameters the model has");
    };
    let trained = record.params.len() as u64;
    let frozen = record.frozen.count;
    let mut wrong = Vec::new();
    if trained.checked_add(frozen) != Some(model) {
        wrong.push(format!("{trained} were trained and {frozen} were not, and the model has {model}"));
    }
    // Only of nothing is the root that of nothing.
    let empty = leaf::root(&[]);
    for root in [record.frozen.root0, record.frozen.root1] {
        if (root == empty) != (frozen == 0) {
            wrong.push(format!("{frozen} were not trained, and a root of them says otherwise"));
        }
    }
    Row::held(&rule::PARTITION, 3, wrong.len() as u64, wrong.join("; "))
}

pub(super) fn timesteps(record: &Record) -> Row {
    let wrong: Vec<&Param> = record
        .params
        .iter()
        .filter(|param| param.timestep.checked_add(param.offset) != Some(record.step))
        .collect();
    let note = wrong.first().map_or(String::new(), |param| {
        format!("{:?} states timestep {} at step {}", param.name, param.timestep, record.step)
    });
    Row::held(&rule::T, record.params.len() as u64, wrong.len() as u64, note)
}

pub(super) fn frozen(record: &Record) -> Row {
    let frozen = record.frozen;
    if frozen.count == 0 && frozen.root0 == leaf::root(&[]) && frozen.root1 == frozen.root0 {
        return Row::new(&rule::FROZEN, State::NotApplicable);
    }
    Row::held(
        &rule::FROZEN,
        1,
        u64::from(frozen.root0 != frozen.root1),
        "their root before and after differs",
    )
}

pub(super) fn schedule(record: &Record) -> [Row; 2] {
    let Some(schedule) = &record.schedule else {
        return [&rule::LR_HISTORY, &rule::SCHEDULE].map(|rule| Row::new(rule, State::NotApplicable));
    };
    let last = schedule.lr_history.last().map_or(&[][..], Vec::as_slice);
    let pairs = record.groups.iter().zip(last);
    let wrong = pairs.filter(|(group, rate)| group.lr.to_bits() != rate.to_bits()).count() as u64;
    let history = Row::held(
        &rule::LR_HISTORY,
        record.groups.len() as u64,
        wrong,
        "the rate of a group is not the last of its history",
    );
    let (mut compared, mut broken, mut note) = (0, 0, String::new());
    for (group, base) in record.groups.iter().zip(&schedule.base_lr) {
        if let Some(initial) = group.initial_lr {
            compared += 1;
            broken += u64::from(initial.to_bits() != base.to_bits());
        }
    }
    for (x, row) in schedule.lr_history.iter().enumerate() {
        for (base, rate) in schedule.base_lr.iter().zip(row) {
            let derived = base * multiple(schedule.kind, x as u64, schedule.warmup, schedule.total);
            compared += 1;
            if !within((rate - derived).abs(), two_to(-48) * base.abs()) {
                if note.is_empty() {
                    note = format!("step {} has rate {rate}, and the schedule gives {derived}", x + 1);
                }
                broken += 1;
            }
        }
    }
    [history, Row::held(&rule::SCHEDULE, compared, broken, note)]
}

/// What a schedule multiplies the base rate by after `x` steps.
#[expect(clippy::cast_precision_loss, reason = "steps of a run are far below 2^53")]
fn multiple(kind: ScheduleKind, x: u64, warmup: u64, total: u64) -> f64 {
    if x < warmup {
        return x as f64 / warmup.max(1) as f64;
    }
    let span = total.saturating_sub(warmup).max(1) as f64;
    match kind {
        ScheduleKind::Constant => 1.0,
        ScheduleKind::Linear => (total as f64 - x as f64).max(0.0) / span,
        ScheduleKind::Cosine => {
            let progress = (x - warmup) as f64 / span;
            (0.5 * (1.0 + libm::cos(std::f64::consts::PI * progress))).max(0.0)
        }
    }
}
